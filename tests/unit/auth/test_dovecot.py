"""Log-ins by Dovecot's auth socket, over real sockets: what the server says, and every way for it to say nothing usable."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs
from tests.support.checker_contract import ATTEMPT
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

from gatepost.auth.dovecot import DovecotSasl
from gatepost.auth.port import Ask, LoggedIn, NoMechanisms, NotLoggedIn, NotNow, Progress
from gatepost.net.connect import SocketConnector
from gatepost.net.server_address import Server
from gatepost.net.stream_client import Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, StreamRules, TimeLimits

GREETING = (
    b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tSECRET\tprivate\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"
)


def answering(**answers: bytes) -> Behave:
    """A server with an answer for each kind of request (`AUTH`, `CONT`), its number put in."""

    async def behave(reader: Reader, writer: Writer) -> None:
        writer.write(GREETING)
        while line := await reader.readline():
            words = line.rstrip(b"\n").split(b"\t")
            if (answer := answers.get(words[0].decode())) is not None:
                writer.write(answer.replace(b"#", words[1]))

    return behave


class Front:
    """A service's log-ins by the server at a socket."""

    def __init__(self, folder: Path) -> None:
        self.log: list[str] = []
        loop = asyncio.get_running_loop()
        network = Network(SocketConnector(), FakeDns(""), loop.time, asyncio.sleep, lambda: 0.0)
        limits = TimeLimits(turn=30, connect=30, write=30, read=30, whole=30)
        rules = StreamRules(limits=limits, answer=AnswerLimit(1 << 62), breaker=BreakerRules(0))
        server = Server("private/auth", path=str(folder / "socket"))
        client = StreamClient(server, rules, network, lambda news: self.log.append(str(news)), "smtpd_sasl_path")
        self.sasl = DovecotSasl(client, 30, self.log.append)

    async def talk(self, initial: str | None, *responses: str, mechanism: str = "PLAIN") -> list[Progress]:
        conversation = self.sasl.converse(structs.replace(ATTEMPT, mechanism=mechanism))
        steps = [await conversation.start(initial)]
        for response in responses:
            steps.append(await conversation.respond(response))
        conversation.close()
        return steps


def with_server(folder: Path, behave: Behave, ask: Callable[[Front], Awaitable[object]]) -> tuple[object, list[str]]:
    async def asked() -> tuple[object, list[str]]:
        async with listening("unix", folder, behave):
            front = Front(folder)
            return await ask(front), front.log

    return run(asked())


@pytest.mark.parametrize(
    ("answer", "progress"),
    [
        (b"OK\t#\tuser=alice\n", LoggedIn("alice")),
        (b"OK\t#\tuser=al\x01tice\tx=y\n", LoggedIn("al\tice")),
        (b"FAIL\t#\tuser=alice\n", NotLoggedIn("(reason unavailable)", "alice")),
        (b"FAIL\t#\n", NotLoggedIn("(reason unavailable)", None)),
        (b"FAIL\t#\tuser=a\tcode=user_disabled\treason=Account is disabled.\n", NotLoggedIn("Account is disabled.", "a")),
        (b"FAIL\t#\tuser=a\ttemp\n", NotNow("(reason unavailable)", "(reason unavailable)", "a")),
        (b"FAIL\t#\tuser=a\tcode=temp_fail\treason=later\n", NotNow("later", "later", "a")),
        (b"CONT\t#\tUGFzc3dvcmQ6\n", Ask("UGFzc3dvcmQ6")),
        (b"CONT\t#\t\n", Ask("")),
        (b"NEWS\t5\nOK\t999\tuser=eve\nOK\t#\tuser=alice\n", LoggedIn("alice")),
    ],
)
def test_an_answer(tmp_path: Path, answer: bytes, progress: Progress) -> None:
    assert with_server(tmp_path, answering(AUTH=answer), lambda front: front.talk("AAAA")) == ([progress], [])


LOST = NotNow("Connection lost to authentication server", "Connection lost to authentication server")


@pytest.mark.parametrize("answer", [b"OK\t#\n", b"OK\n", b"OK\tx\tuser=a\n", b"x" * 20000, b"OK\t-1\tuser=a\n"])
def test_an_answer_that_is_none(tmp_path: Path, answer: bytes) -> None:
    assert with_server(tmp_path, answering(AUTH=answer), lambda front: front.talk("AAAA"))[0] == [LOST]


def test_no_answer_in_time(tmp_path: Path) -> None:
    said = with_server(tmp_path, answering(), lambda front: front.talk("AAAA"))
    assert said == ([NotNow("authentication server does not answer in time")], [])


@pytest.mark.parametrize("behave", [silent, closing, breaking_off, resetting, garbage, endless])
def test_no_greeting(tmp_path: Path, behave: Behave) -> None:
    async def ask(front: Front) -> object:
        with pytest.raises(NoMechanisms):
            await front.sasl.offered()
        (progress,) = await front.talk("AAAA")
        return progress

    progress, log = with_server(tmp_path, behave, ask)
    assert isinstance(progress, NotNow)
    assert log and all("private/auth" in line for line in log)


def test_another_version(tmp_path: Path) -> None:
    async def behave(reader: Reader, writer: Writer) -> None:
        writer.write(GREETING.replace(b"VERSION\t1", b"VERSION\t2"))
        await reader.read()

    progress, log = with_server(tmp_path, behave, lambda front: front.talk("AAAA"))
    assert isinstance(progress, list) and isinstance(progress[0], NotNow)
    assert log == ["SASL: private/auth: no greeting of an authentication server: "
                   "authentication server has an incompatible protocol version"]  # fmt: skip


def test_nobody_there() -> None:
    async def ask() -> list[Progress]:
        front = Front(Path("/nowhere"))
        said = await front.talk("AAAA")
        assert front.log == ["SASL: Connect to private/auth failed: No such file or directory"]
        return said

    (progress,) = run(ask())
    assert progress == NotNow("No such file or directory", "Connection lost to authentication server")


@pytest.mark.parametrize("text", ["!!!!", "AAAA\tuser=root", "a b", "AAAA\n", "ä"])
def test_only_base64_goes_to_the_server(tmp_path: Path, text: str) -> None:
    async def ask(front: Front) -> object:
        return await front.talk(text), (await front.talk(None, text))[1]

    started, responded = with_server(tmp_path, answering(AUTH=b"CONT\t#\t\n", CONT=b"OK\t#\tuser=root\n"), ask)[0]  # type: ignore[misc]
    assert started == [NotLoggedIn("Invalid base64 data in initial response")]
    assert responded == NotLoggedIn("Invalid base64 data in continued response")


def test_many_at_one_time_over_one_connection(tmp_path: Path) -> None:
    """Each gets its own answer, whatever the order."""
    requests: list[bytes] = []

    async def behave(reader: Reader, writer: Writer) -> None:
        writer.write(GREETING)
        while line := await reader.readline():
            if line.startswith(b"AUTH"):
                requests.append(line.split(b"\t")[1])
            if len(requests) == 5:
                for number in reversed(requests):
                    writer.write(b"OK\t%b\tuser=u%b\n" % (number, number))

    async def ask(front: Front) -> object:
        return [step for (step,) in await asyncio.gather(*(front.talk("AAAA") for _ in range(5)))]

    assert with_server(tmp_path, behave, ask)[0] == [LoggedIn(f"u{number}") for number in range(1, 6)]


def test_a_server_that_comes_back_and_what_is_offered_meanwhile(tmp_path: Path) -> None:
    async def asked() -> None:
        front = Front(tmp_path)
        async with listening("unix", tmp_path, answering(AUTH=b"OK\t#\tuser=alice\n")) as server:
            names = [one.name for one in await front.sasl.offered()]
            assert names == ["PLAIN", "LOGIN"]
            assert await front.talk("AAAA") == [LoggedIn("alice")]
            del server
        await asyncio.sleep(1)
        (tmp_path / "socket").unlink(missing_ok=True)
        assert isinstance((await front.talk("AAAA"))[0], NotNow)
        assert [one.name for one in await front.sasl.offered()] == names
        async with listening("unix", tmp_path, answering(AUTH=b"OK\t#\tuser=bob\n")):
            assert await front.talk("AAAA") == [LoggedIn("bob")]

    run(asked())


def test_an_exchange_that_is_given_up_is_cancelled(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def behave(reader: Reader, writer: Writer) -> None:
        writer.write(GREETING)
        while line := await reader.readline():
            heard.append(line)
            if line.startswith(b"AUTH"):
                writer.write(b"CONT\t1\t\n")

    async def ask(front: Front) -> object:
        said = await front.talk(None)
        await asyncio.sleep(1)
        return said

    assert with_server(tmp_path, behave, ask)[0] == [Ask("")]
    assert heard[2:] == [
        b"AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.25\trip=192.0.2.1\tsecured\n",
        b"CANCEL\t1\n",
    ]
