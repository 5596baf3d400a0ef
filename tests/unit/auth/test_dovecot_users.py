"""The word `dovecot` of smtpd_auth_backends: PLAIN over its socket, in the client's stead."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.checker_contract import ATTEMPT, PASSWORD, USER, CheckerContract
from tests.support.driven_loop import run
from tests.support.fake_dns import FakeDns
from tests.support.stream_servers import Behave, Reader, Writer, closing, garbage, listening, silent

from gatepost.auth.backends.dovecot import DovecotUsers
from gatepost.auth.dovecot import DovecotSasl
from gatepost.net.connect import SocketConnector
from gatepost.net.server_address import Server
from gatepost.net.stream_client import Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, StreamRules, TimeLimits
from gatepost.proto.sasl.port import Accepted, IsPassword, Refused, Secret, Unavailable, Verdict

HELLO = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nDONE\n"


def answering(*answer: bytes) -> Behave:
    """Says this of each log-in; without one, whether USER has PASSWORD."""

    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(HELLO)
        while line := await reader.readline():
            words = line.rstrip(b"\n").split(b"\t")
            if words[0] == b"AUTH":
                _, user, password = b64decode(words[-1].removeprefix(b"resp=")).split(b"\0")
                right = (user, password) == (USER.encode(), PASSWORD)
                words_ = answer or ((b"OK\t%b\tuser=alice",) if right else (b"FAIL\t%b\tuser=x\treason=never mind",))
                writer.write(words_[0] % words[1] + b"\n")

    return serve


def at(path: Path, log: list[str]) -> DovecotUsers:
    loop = asyncio.get_running_loop()
    network = Network(SocketConnector(), FakeDns(""), loop.time, asyncio.sleep, lambda: 0.0)
    limits = TimeLimits(turn=30, connect=30, write=30, read=30, whole=30)
    rules = StreamRules(limits=limits, answer=AnswerLimit(1 << 62), breaker=BreakerRules(0))
    client = StreamClient(Server("auth", path=str(path)), rules, network, lambda news: log.append(str(news)), "test")
    return DovecotUsers(DovecotSasl(client, 30.0, log.append))


@asynccontextmanager
async def over(behave: Behave | None, log: list[str]) -> AsyncIterator[DovecotUsers]:
    with TemporaryDirectory() as folder:
        if behave is None:
            yield at(Path(folder, "socket"), log)
        else:
            async with listening("unix", Path(folder), behave):
                yield at(Path(folder, "socket"), log)


class TestContract(CheckerContract):
    def opened(self) -> AbstractAsyncContextManager[DovecotUsers]:
        return over(answering(), self.log)

    def slow(self) -> AbstractAsyncContextManager[DovecotUsers]:
        return over(silent, self.log)

    def away(self) -> AbstractAsyncContextManager[DovecotUsers]:
        return over(None, self.log)


def asked(behave: Behave, password: bytes = b"x") -> Verdict:
    async def ask() -> Verdict:
        async with over(behave, []) as users:
            return await users.check(IsPassword("anna", Secret(password)), ATTEMPT)

    return run(ask())


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (b"OK\t%b\tuser=anna@example.test", Accepted("anna@example.test")),
        (b"FAIL\t%b\tuser=anna", Refused()),
        (b"FAIL\t%b\tuser=anna\ttemp", Unavailable("(reason unavailable)")),
        (b"FAIL\t%b\tuser=anna\tcode=temp_fail\treason=no database", Unavailable("no database")),
        (b"CONT\t%b\tYWJj", Unavailable("it asks for more than a password")),
    ],
)
def test_what_it_says(answer: bytes, verdict: Verdict) -> None:
    assert asked(answering(answer)) == verdict


@pytest.mark.parametrize("behave", [closing, garbage, silent, answering(b"OK\t%b"), answering(b"OK\t\t%b")])
def test_what_is_no_answer_lets_nobody_in_and_refuses_nobody(behave: Behave) -> None:
    assert isinstance(asked(behave), Unavailable)


def test_a_password_with_nul_is_no_field_more() -> None:
    assert asked(answering(b"OK\t%b\tuser=anna"), b"x\0y") == Refused()
