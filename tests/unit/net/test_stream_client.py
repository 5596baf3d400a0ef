"""The client of a stream server, against real sockets with servers that misbehave. Time passes when nothing else can happen."""

import asyncio
import contextlib
import errno
import gc
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.support.driven_loop import run
from tests.support.stream_servers import (
    LIMITS,
    RULES,
    Asking,
    Behave,
    Line,
    Once,
    Reader,
    Writer,
    breaking_off,
    closing,
    echo,
    endless,
    garbage,
    half_closing,
    listening,
    many_lines,
    resetting,
    silent,
    slow,
)

from gatepost.net.server_address import Server
from gatepost.net.stream_port import BreakerRules, Crowd, Retry, Reuse, StreamFailure, Trouble
from gatepost.proto.exchange import Exchange

KINDS = ("unix", "inet", "inet6")

MISBEHAVIOUR: list[tuple[Behave, Trouble, float]] = [
    (silent, Trouble.TIMEOUT, 5),
    (slow, Trouble.TIMEOUT, 30),
    (closing, Trouble.CLOSED, 0),
    (breaking_off, Trouble.CLOSED, 0),
    (half_closing, Trouble.CLOSED, 0),
    (resetting, Trouble.CLOSED, 0),
    (garbage, Trouble.GARBAGE, 0),
    (endless, Trouble.OVERLONG, 0),
]


class Endless(Line):
    """Takes whatever comes."""

    def feed(self, octets: bytes) -> bytes:
        return b""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("behave", "trouble", "after"), MISBEHAVIOUR, ids=lambda value: getattr(value, "__name__", None))
def test_a_server_that_misbehaves(tmp_path: Path, kind: str, behave: Behave, trouble: Trouble, after: float) -> None:
    async def play() -> None:
        async with listening(kind, tmp_path, behave) as peer:
            asking = Asking(peer.server, RULES)
            begun = asyncio.get_running_loop().time()
            with pytest.raises(StreamFailure) as caught:
                await asking.client.ask(Endless if behave is endless else Line)
            assert caught.value.trouble is trouble
            assert asyncio.get_running_loop().time() - begun == pytest.approx(after, abs=0.1)
            # It is well again, without a word to us.
            peer.behave = echo
            assert await asking.client.ask(Line) == "hello"

    run(play())


def test_lines_are_counted(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, many_lines) as peer:
            with pytest.raises(StreamFailure) as caught:
                await Asking(peer.server, RULES).client.ask(Endless)
            assert caught.value.trouble is Trouble.OVERLONG

    run(play())


@pytest.mark.parametrize("kind", ["unix", "inet", "absent"])
def test_a_server_that_refuses(tmp_path: Path, kind: str) -> None:
    async def play() -> None:
        server = Server("gone", path=str(tmp_path / "nobody"))
        if kind != "absent":
            async with listening(kind, tmp_path, echo) as peer:
                server = peer.server or server
        with pytest.raises(StreamFailure) as caught:
            await Asking(server, RULES).client.ask(Line)
        assert caught.value.trouble is Trouble.CONNECT
        assert caught.value.number == (errno.ENOENT if kind == "absent" else errno.ECONNREFUSED)
        assert caught.value.words in ("Connection refused", "No such file or directory")

    run(play())


class Long(Exchange[str]):
    """A question of many pieces; `taken` of them were wanted."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self.taken = 0

    def question(self) -> Iterable[bytes]:
        for self.taken in range(self._pieces):
            yield b"x" * 100_000

    def feed(self, octets: bytes) -> bytes:
        self.finish(octets.decode())
        return b""


def test_a_server_that_takes_nothing_has_the_time_to_write(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, silent) as peer:
            begun = asyncio.get_running_loop().time()
            question = Long(10_000)
            with pytest.raises(StreamFailure) as caught:
                await Asking(peer.server, RULES).client.ask(lambda: question)
            assert caught.value.trouble is Trouble.TIMEOUT
            assert asyncio.get_running_loop().time() - begun == pytest.approx(LIMITS.write, abs=0.1)
            assert question.taken < 100  # the rest was never made

    run(play())


async def enough(reader: Reader, writer: Writer) -> None:
    await reader.readexactly(10)
    writer.write(b"enough")
    await asyncio.sleep(10_000)


def test_an_answer_before_the_end_of_the_question(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, enough) as peer:
            asking = Asking(peer.server, RULES)
            assert await asking.client.ask(lambda: Long(10_000)) == "enough"
            assert await asking.client.ask(lambda: Long(10_000)) == "enough"
            assert peer.accepted == 2  # the first still waited for the rest of its question

    run(play())


# Connections that are kept


def test_a_connection_is_used_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, echo) as peer:
            asking = Asking(peer.server, RULES)
            for _ in range(5):
                await asking.client.ask(Line)
            assert peer.accepted == 1

    run(play())


@pytest.mark.parametrize(
    ("reuse", "pause", "connections"),
    [
        (Reuse(60, 300, uses=2), 0, 3),
        (Reuse(0), 0, 5),
        (Reuse(60, 300), 61, 5),
        (Reuse(60, 300), 59, 1),
        (Reuse(60, 100), 40, 2),
    ],
)
def test_idle_time_age_and_uses(tmp_path: Path, reuse: Reuse, pause: float, connections: int) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, echo) as peer:
            asking = Asking(peer.server, replace(RULES, reuse=reuse))
            for _ in range(5):
                await asking.client.ask(Line)
                await asyncio.sleep(pause)
            assert peer.accepted == connections

    run(play())


def test_an_idle_connection_is_closed_in_time_though_nobody_asks(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, echo) as peer:
            await Asking(peer.server, RULES).client.ask(Line)
            await asyncio.sleep(59)
            assert len(peer.tasks) == 1
            await asyncio.sleep(2)
            assert not peer.tasks

    run(play())


async def one_answer(reader: Reader, writer: Writer) -> None:
    """Takes a second question, and is gone: as a server that is restarted when the question is on its way."""
    writer.write(b"ok " + await reader.readline())
    await reader.readline()


def test_a_kept_connection_that_turns_out_closed_is_opened_anew_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, one_answer) as peer:
            asking = Asking(peer.server, RULES)
            tries: list[bool] = []
            for _ in range(3):
                assert await asking.client.ask(Line, failed=lambda failure, last: tries.append(last)) == "hello"
            assert (peer.accepted, tries) == (3, [])
            peer.behave = closing
            with pytest.raises(StreamFailure):
                await asking.client.ask(Line, failed=lambda failure, last: tries.append(last))
            assert (peer.accepted, tries) == (4, [True])  # not again and again

    run(play())


def test_what_must_not_be_asked_twice_is_not(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, one_answer) as peer:
            asking = Asking(peer.server, RULES)
            assert await asking.client.ask(Once) == "hello"
            with pytest.raises(StreamFailure) as caught:
                await asking.client.ask(Once)
            assert (caught.value.trouble, peer.accepted) == (Trouble.CLOSED, 1)

    run(play())


async def too_much(reader: Reader, writer: Writer) -> None:
    """Answers the next question before it is asked: as if somebody else's answer were on the line."""
    while line := await reader.readline():
        writer.write(b"ok " + line + b"ok stale\n")


async def late_surplus(reader: Reader, writer: Writer) -> None:
    while line := await reader.readline():
        writer.write(b"ok " + line)
        await asyncio.sleep(1)
        writer.write(b"ok stale\n")


@pytest.mark.parametrize("behave", [too_much, late_surplus])
def test_an_answer_to_no_question_is_nobodys(tmp_path: Path, behave: Behave) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, behave) as peer:
            asking = Asking(peer.server, RULES)
            for text in "abc":
                assert await asking.client.ask(lambda text=text: Line(text)) == text  # type: ignore[misc]
                await asyncio.sleep(2)
            assert peer.accepted == 3

    run(play())


def test_nor_is_it_in_a_session(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, too_much) as peer:
            asking = Asking(peer.server, RULES)
            async with asking.client.session() as session:
                session.keep = True
                assert await session.ask(Line("a")) == "a"
                with pytest.raises(StreamFailure):
                    await session.ask(Line("b"))
            assert await asking.client.ask(lambda: Line("c")) == "c"

    run(play())


def test_a_cancelled_exchange_closes_its_connection(tmp_path: Path) -> None:
    async def late(reader: Reader, writer: Writer) -> None:
        while line := await reader.readline():
            await asyncio.sleep(2)
            writer.write(b"ok " + line)

    async def play() -> None:
        async with listening("unix", tmp_path, late) as peer:
            asking = Asking(peer.server, replace(RULES, crowd=Crowd(1, 1, 5)))
            first = asyncio.create_task(asking.client.ask(lambda: Line("somebody else's")))
            await asyncio.sleep(1)
            first.cancel()
            assert await asking.client.ask(lambda: Line("mine")) == "mine"
            assert peer.accepted == 2

    run(play())


@pytest.mark.parametrize("step", range(1, 30))
def test_cancelled_at_any_step_nothing_is_lost(tmp_path: Path, step: int) -> None:
    """The one connection there may be can be had again, whenever whoever had it went away."""

    async def play() -> None:
        async with listening("inet", tmp_path, echo) as peer:
            asking = Asking(peer.server, replace(RULES, crowd=Crowd(1, 1, 5)))
            crowd = [asyncio.create_task(asking.client.ask(Line, owner=str(one))) for one in range(3)]
            for _ in range(step):
                await asyncio.sleep(0)
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
            assert await asking.client.ask(Line) == "hello"

    run(play())


# Tries


def test_tries_with_their_delay(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, closing) as peer:
            asking = Asking(peer.server, replace(RULES, retry=Retry(3, 10)))
            told: list[tuple[Trouble, bool]] = []
            begun = asyncio.get_running_loop().time()
            with pytest.raises(StreamFailure):
                await asking.client.ask(Line, failed=lambda failure, last: told.append((failure.trouble, last)))
            assert asyncio.get_running_loop().time() - begun == pytest.approx(20, abs=0.1)
            assert told == [(Trouble.CLOSED, False), (Trouble.CLOSED, False), (Trouble.CLOSED, True)]
            assert peer.accepted == 3

    run(play())


def test_a_fault_of_the_exchange_is_no_fault_of_the_server(tmp_path: Path) -> None:
    class Faulty(Line):
        def feed(self, octets: bytes) -> bytes:
            raise RuntimeError("ours")

    async def play() -> None:
        async with listening("unix", tmp_path, echo) as peer:
            asking = Asking(peer.server, replace(RULES, breaker=BreakerRules(1, 10), retry=Retry(3)))
            with pytest.raises(RuntimeError, match="ours"):
                await asking.client.ask(Faulty)
            assert peer.accepted == 1
            assert await asking.client.ask(Line) == "hello"
            assert asking.told == []

    run(play())


def _timers() -> int:
    """How many are set."""
    gc.collect()
    return sum(isinstance(one, asyncio.TimerHandle) and not one.cancelled() for one in gc.get_objects())


def test_a_session_that_is_over_leaves_nothing_behind(tmp_path: Path) -> None:
    """Not even a timer for a peer that takes its last words at once: there are thousands of sessions in ten seconds."""

    async def play() -> None:
        before = _timers()  # of loops of other tests
        async with listening("unix", tmp_path, echo) as peer:
            session = await Asking(peer.server, RULES).client.begin()
            assert await session.ask(Line()) == "hello"
            session.tell(b"bye\n")
            session.end()
            del session
            begun = asyncio.get_running_loop().time()
            await asyncio.sleep(1)
            assert _timers() <= before
            assert asyncio.get_running_loop().time() - begun < 2

    run(play())


def test_whoever_does_not_take_our_last_words_is_left(tmp_path: Path) -> None:
    """Though he has ended his own side."""
    taken: list[int] = []

    async def ended(reader: Reader, writer: Writer) -> None:
        await reader.readline()
        writer.write(b"ok hello\n")
        await asyncio.sleep(1)
        writer.write_eof()
        await asyncio.sleep(20)
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                taken.append(len(piece))

    async def play() -> None:
        async with listening("unix", tmp_path, ended) as peer:
            session = await Asking(peer.server, RULES).client.begin()
            assert await session.ask(Line()) == "hello"
            session.stream.say(b"x" * 10_000_000)
            session.end()
            await asyncio.sleep(30)
            assert sum(taken) < 1_000_000

    run(play())
