"""The contract itself, over a back end in memory."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.support.checker_contract import PASSWORD, USER, CheckerContract
from tests.support.checkers import Users

from gatepost.auth.port import Checker


@asynccontextmanager
async def opened(checker: Checker) -> AsyncIterator[Checker]:
    yield checker


class TestUsersInMemory(CheckerContract):
    def opened(self) -> AbstractAsyncContextManager[Checker]:
        return opened(Users({USER: PASSWORD}))

    def away(self) -> AbstractAsyncContextManager[Checker]:
        return opened(Users({USER: PASSWORD}, away=True))

    def slow(self) -> AbstractAsyncContextManager[Checker]:
        return opened(Users({USER: PASSWORD}, slow=True))
