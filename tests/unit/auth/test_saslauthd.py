"""saslauthd as a back end, over a tiny one on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.checker_contract import ATTEMPT, PASSWORD, USER, CheckerContract
from tests.support.driven_loop import run
from tests.support.fake_dns import FakeDns
from tests.support.stream_servers import (
    Behave,
    Reader,
    Writer,
    breaking_off,
    closing,
    endless,
    garbage,
    listening,
    resetting,
    silent,
)

from gatepost.auth.backends.saslauthd import Saslauthd
from gatepost.net.connect import SocketConnector
from gatepost.net.server_address import Server
from gatepost.net.stream_client import Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, StreamRules, TimeLimits
from gatepost.proto.sasl.port import Accepted, IsPassword, Secret, Unavailable, Verdict

USERS = {(USER.encode(), PASSWORD, b"smtp", b""), (b"alice", b"x", b"smtp", b"example.test"), (b"a@b", b"x", b"smtp", b"c")}


async def word(reader: Reader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


async def saslauthd(reader: Reader, writer: Writer) -> None:
    words = tuple([(await word(reader)).partition(b"\0")[0] for _ in range(4)])  # as in C
    answer = b"OK" if words in USERS else b"NO authentication failed"
    writer.write(len(answer).to_bytes(2, "big") + answer)


def at(path: Path, log: list[str], realm: str = "") -> Saslauthd:
    loop = asyncio.get_running_loop()
    network = Network(SocketConnector(), FakeDns(""), loop.time, asyncio.sleep, lambda: 0.0)
    limits = TimeLimits(turn=30, connect=30, write=30, read=30, whole=30)
    rules = StreamRules(limits=limits, answer=AnswerLimit(65538), breaker=BreakerRules(0))
    client = StreamClient(Server("mux", path=str(path)), rules, network, lambda news: log.append(str(news)), "test")
    return Saslauthd(lambda: client, realm, log.append)


class TestContract(CheckerContract):
    def opened(self) -> AbstractAsyncContextManager[Saslauthd]:
        return self._over(saslauthd)

    def slow(self) -> AbstractAsyncContextManager[Saslauthd]:
        return self._over(silent)

    def away(self) -> AbstractAsyncContextManager[Saslauthd]:
        return self._over(None)

    @asynccontextmanager
    async def _over(self, behave: Behave | None) -> AsyncIterator[Saslauthd]:
        with TemporaryDirectory() as folder:
            if behave is None:
                yield at(Path(folder, "socket"), self.log)
            else:
                async with listening("unix", Path(folder), behave):
                    yield at(Path(folder, "socket"), self.log)


def asked(folder: Path, behave: Behave, user: str, realm: str = "") -> tuple[Verdict, list[str]]:
    async def ask() -> tuple[Verdict, list[str]]:
        log: list[str] = []
        async with listening("unix", folder, behave):
            return await at(folder / "socket", log, realm).check(IsPassword(user, Secret(b"x")), ATTEMPT), log

    return run(ask())


@pytest.mark.parametrize(
    ("user", "realm", "known"),
    [
        ("alice@example.test", "", "alice@example.test"),
        ("alice", "example.test", "alice@example.test"),
        ("alice@example.test", "other.test", "alice@example.test"),
        ("a@b@c", "", "a@b@c"),
    ],
)
def test_login_and_realm(tmp_path: Path, user: str, realm: str, known: str) -> None:
    assert asked(tmp_path, saslauthd, user, realm) == (Accepted(known), [])


async def half_an_answer(reader: Reader, writer: Writer) -> None:
    await word(reader)
    writer.write(b"\0\2O")


async def something_else(reader: Reader, writer: Writer) -> None:
    await word(reader)
    writer.write(b"\0\2ok")


async def ok_and_more(reader: Reader, writer: Writer) -> None:
    await word(reader)
    writer.write(b"\0\2OK\0\2NO")


@pytest.mark.parametrize(
    "behave", [silent, closing, breaking_off, resetting, garbage, endless, half_an_answer, something_else, ok_and_more]
)
def test_what_is_no_answer_lets_nobody_in_and_refuses_nobody(tmp_path: Path, behave: Behave) -> None:
    verdict, log = asked(tmp_path, behave, "alice@example.test")
    assert isinstance(verdict, Unavailable)
    assert len(log) == 1 and log[0].startswith("SASL authentication failure: cannot connect to saslauthd server mux: ")
