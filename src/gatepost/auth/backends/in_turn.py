"""Several back ends, asked one after the other until one accepts.

Who is refused by one may be another's user, so that the next is asked. Where none has accepted and one of them could not say,
nobody can say: it might have been that one's user.
"""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from gatepost.auth.port import Attempt, Checker
from gatepost.proto.sasl.port import Question, Refused, Unavailable, Verdict


class Named(Struct, frozen=True):
    """A back end by its word in smtpd_auth_backends."""

    word: str
    checker: Checker


class InTurn:
    """A Checker. `time_limit`: seconds for each of them."""

    def __init__(self, backends: Sequence[Named], time_limit: float) -> None:
        self._backends = backends
        self._time_limit = time_limit
        self.answers: frozenset[type[Question]] = frozenset().union(*(one.checker.answers for one in backends))

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        said: Verdict = Refused()
        for backend in self._backends:
            if type(question) not in backend.checker.answers:
                continue
            verdict = await self._ask(backend, question, attempt)
            if isinstance(verdict, Unavailable):
                said = verdict
            elif not isinstance(verdict, Refused):
                return verdict
        return said

    async def _ask(self, backend: Named, question: Question, attempt: Attempt) -> Verdict:
        try:
            async with asyncio.timeout(self._time_limit):
                verdict = await backend.checker.check(question, attempt)
        except TimeoutError:
            return Unavailable(f"{backend.word}: no answer within {self._time_limit:g} seconds")
        return Unavailable(f"{backend.word}: {verdict.reason}") if isinstance(verdict, Unavailable) else verdict
