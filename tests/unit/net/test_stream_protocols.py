"""The protocols of the helpers that are to come, sketched as exchanges over tiny servers: the client fits each of them.

One question and one answer (tcp_table(5), socketmap_table(5), saslauthd), a question that streams out (clamd's INSTREAM, spamd),
several steps over a connection of one's own (milter), several questions at one time over one connection (Dovecot's auth socket).
"""

import asyncio
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.support.driven_loop import run
from tests.support.stream_servers import RULES, Asking, Reader, Writer, listening

from gatepost.net.stream import Stream
from gatepost.net.stream_client import Handshake
from gatepost.net.stream_port import AnswerLimit, StreamFailure, TimeLimits, Trouble
from gatepost.proto.exchange import Exchange, ProtocolError

# One question, one answer


class TcpLookup(Exchange[str | None]):
    """`get KEY`, answered by 200 VALUE, 500 (not found) or 400 (try again later)."""

    def __init__(self, key: str) -> None:
        self._key, self._line = key, b""

    def question(self) -> Iterable[bytes]:
        yield b"get " + self._key.encode() + b"\n"

    def feed(self, octets: bytes) -> bytes:
        self._line += octets
        if self._line.endswith(b"\n"):
            code, _, value = self._line.decode().strip().partition(" ")
            if code not in ("200", "500"):
                raise ProtocolError(value)
            self.finish(value if code == "200" else None)
        return b""


async def tcp_table(reader: Reader, writer: Writer) -> None:
    while line := await reader.readline():
        key = line.split()[1]
        writer.write({b"known": b"200 yes\n", b"later": b"400 try again\n"}.get(key, b"500 no\n"))


class SocketmapLookup(Exchange[str]):
    """A netstring each way."""

    def __init__(self, name: str, key: str) -> None:
        self._words, self._heard = f"{name} {key}".encode(), b""

    def question(self) -> Iterable[bytes]:
        yield b"%d:%b," % (len(self._words), self._words)

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        length, colon, rest = self._heard.partition(b":")
        if colon and len(rest) > int(length):
            self.finish(rest[: int(length)].decode(), reusable=len(rest) == int(length) + 1)
        return b""


async def socketmap(reader: Reader, writer: Writer) -> None:
    while True:
        length = int((await reader.readuntil(b":"))[:-1])
        words = (await reader.readexactly(length + 1))[:-1]
        writer.write(b"%d:OK %b," % (len(words) + 3, words))


class Saslauthd(Exchange[bool]):
    """Four counted words, one back; then the server closes."""

    def __init__(self, *words: bytes) -> None:
        self._words, self._heard = words, b""

    def question(self) -> Iterable[bytes]:
        yield b"".join(struct.pack("!H", len(word)) + word for word in self._words)

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        if len(self._heard) >= 2 and len(self._heard) == 2 + struct.unpack("!H", self._heard[:2])[0]:
            self.finish(self._heard[2:].startswith(b"OK"), reusable=False)
        return b""


async def saslauthd(reader: Reader, writer: Writer) -> None:
    words = [await reader.readexactly(struct.unpack("!H", await reader.readexactly(2))[0]) for _ in range(4)]
    writer.write(b"\0\2OK" if words[1] == b"secret" else b"\0\2NO")


def test_one_question_one_answer(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("inet", tmp_path, tcp_table) as peer:
            client = Asking(peer.server, RULES).client
            assert [await client.ask(lambda key=key: TcpLookup(key)) for key in ("known", "other")] == ["yes", None]  # type: ignore[misc]
            assert peer.accepted == 1
            with pytest.raises(StreamFailure, match="try again"):  # which is no "not found"
                await client.ask(lambda: TcpLookup("later"))
        async with listening("unix", tmp_path, socketmap) as peer:
            client = Asking(peer.server, RULES).client
            assert [await client.ask(lambda: SocketmapLookup("map", "key")) for _ in range(2)] == ["OK map key"] * 2
            assert peer.accepted == 1
            peer.behave = saslauthd
            client.close()
            assert await client.ask(lambda: Saslauthd(b"user", b"secret", b"smtp", b""))
            assert not await client.ask(lambda: Saslauthd(b"user", b"guess", b"smtp", b""))
            assert peer.accepted == 3

    run(play())


# A question that streams out


class ClamdStream(Exchange[str]):
    """zINSTREAM: pieces with their lengths, of zero at the end; the answer may come before."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content, self._heard = content, b""

    def question(self) -> Iterable[bytes]:
        yield b"zINSTREAM\0"
        for piece in self._content:
            yield struct.pack("!I", len(piece)) + piece
        yield struct.pack("!I", 0)

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        if self._heard.endswith(b"\0"):
            self.finish(self._heard[:-1].decode(), reusable=False)
        return b""


async def clamd(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\0")
    size = 0
    while length := struct.unpack("!I", await reader.readexactly(4))[0]:
        await reader.readexactly(length)
        size += length
        if size > 1_000_000:
            writer.write(b"INSTREAM size limit exceeded. ERROR\0")
            await asyncio.sleep(10_000)
    writer.write(b"stream: %d OK\0" % size)


class SpamdCheck(Exchange[str]):
    """Our side is shut after the message, and the answer ends with the connection."""

    half_close = True

    def __init__(self, content: list[bytes]) -> None:
        self._content, self._heard = content, b""

    def question(self) -> Iterable[bytes]:
        yield b"CHECK SPAMC/1.5\r\n\r\n"
        yield from self._content

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        return b""

    def ended(self) -> None:
        if self._heard.endswith(b"\r\n\r\n"):
            self.finish(self._heard.decode().strip(), reusable=False)


async def spamd(reader: Reader, writer: Writer) -> None:
    message = await reader.read(-1)
    writer.write(b"SPAMD/1.1 0 EX_OK\r\n")
    await asyncio.sleep(1)
    writer.write(b"Spam: False ; %d\r\n\r\n" % len(message))


def test_a_question_that_streams_out(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, clamd) as peer:
            client = Asking(peer.server, RULES).client
            assert await client.ask(lambda: ClamdStream([b"x" * 70_000] * 10)) == "stream: 700000 OK"
            taken = []

            def large() -> Iterable[bytes]:
                for number in range(1_000):
                    taken.append(number)
                    yield b"x" * 70_000

            assert await client.ask(lambda: ClamdStream(large())) == "INSTREAM size limit exceeded. ERROR"
            assert len(taken) < 100  # nobody reads the rest of a message that the scanner does not want
            peer.behave = spamd
            assert await client.ask(lambda: SpamdCheck([b"y" * 1000])) == "SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1019"

    run(play())


# Several steps over a connection of one's own


class Packet(Exchange[bytes]):
    """A milter command and its answer: length, letter, data. `p` means that it still works at it."""

    idempotent = False

    def __init__(self, command: bytes) -> None:
        self._command, self._heard = command, b""

    def question(self) -> Iterable[bytes]:
        yield struct.pack("!I", len(self._command)) + self._command

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        while len(self._heard) >= 4 and len(self._heard) >= 4 + (length := struct.unpack("!I", self._heard[:4])[0]):
            packet, self._heard = self._heard[4 : 4 + length], self._heard[4 + length :]
            if packet == b"p":
                self.renewed = True
            else:
                self.finish(packet)
        return b""


async def milter(reader: Reader, writer: Writer) -> None:
    while True:
        command = await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0])
        if command == b"E":
            for _ in range(5):  # progress, each piece of which buys time
                await asyncio.sleep(4)
                writer.write(b"\0\0\0\1p")
        if command == b"Mdies":
            return
        writer.write(b"\0\0\0\2O6" if command[:1] == b"O" else b"\0\0\0\1c")


def test_several_steps_over_a_connection_of_ones_own(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, milter) as peer:
            asking = Asking(peer.server, RULES, handshake=Handshake(opening=lambda: Packet(b"O6")))
            async with asking.client.session("192.0.2.1") as one, asking.client.session("192.0.2.2") as other:
                for command in (b"Cclient", b"Hhelo", b"Mmail", b"Rrcpt"):
                    assert [await session.ask(Packet(command)) for session in (one, other)] == [b"c", b"c"]
                assert await one.ask(Packet(b"E"), TimeLimits(read=5, whole=0)) == b"c"
                one.keep = True
            assert peer.accepted == 2
            async with asking.client.session() as again:
                assert await again.ask(Packet(b"Cclient")) == b"c"
                assert peer.accepted == 2
                with pytest.raises(StreamFailure) as caught:
                    await again.ask(Packet(b"Mdies"))
                assert caught.value.trouble is Trouble.CLOSED  # and its default action holds for the rest of the session

    run(play())


async def working(reader: Reader, writer: Writer) -> None:
    while True:
        await asyncio.sleep(4)
        writer.write(b"\0\0\0\1p")


def test_a_server_may_not_be_at_work_for_ever(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, working) as peer, Asking(peer.server, RULES).client.session() as session:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(StreamFailure) as caught:
                await session.ask(Packet(b"E"), TimeLimits(read=5, whole=6, renewed=31))
            assert caught.value.trouble is Trouble.TIMEOUT
            assert asyncio.get_running_loop().time() - begun == pytest.approx(31, abs=0.1)

    run(play())


# Several questions at one time over one connection


class AuthConversation(Exchange[None]):
    """Dovecot's: a greeting, then requests and answers by number, in any order, for as long as the connection lives."""

    idempotent = False

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[str]] = {}
        self._heard = b""

    def question(self) -> Iterable[bytes]:
        yield b"VERSION\t1\t2\n"

    def feed(self, octets: bytes) -> bytes:
        *lines, self._heard = (self._heard + octets).split(b"\n")
        for line in lines:
            word, number, *_ = line.decode().split("\t")
            if waiting := self.waiting.pop(int(number), None):
                waiting.set_result(word)
        return b""


class AuthChannel:
    """What stands on a Stream for such a protocol: a task that listens, a number a request."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._conversation, self._number = stream, AuthConversation(), 0
        limits = TimeLimits(read=0, whole=0)  # each request has a time limit of its own; the connection may be silent
        self.listening = asyncio.ensure_future(stream.run(self._conversation, limits, AnswerLimit(1 << 40)))
        self.listening.add_done_callback(self._over)

    def _over(self, done: "asyncio.Task[None]") -> None:
        failure = StreamFailure(Trouble.CLOSED) if done.cancelled() else done.exception() or StreamFailure(Trouble.CLOSED)
        for waiting in self._conversation.waiting.values():
            waiting.set_exception(failure)

    async def ask(self, word: str, limit: float) -> str:
        self._number += 1
        number = self._number
        waiting = self._conversation.waiting[number] = asyncio.get_running_loop().create_future()
        self._stream.say(f"AUTH\t{number}\t{word}\n".encode())
        try:
            async with asyncio.timeout(limit):
                return await waiting
        finally:
            self._conversation.waiting.pop(number, None)


async def dovecot(reader: Reader, writer: Writer) -> None:
    assert await reader.readline() == b"VERSION\t1\t2\n"
    loop = asyncio.get_running_loop()
    while line := await reader.readline():
        _, number, word = line.decode().split()
        if word == "dies":
            return
        if word != "never":
            loop.call_later(float(word), writer.write, f"OK\t{number}\n".encode())


def test_several_questions_at_one_time(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, dovecot) as peer:
            asking = Asking(peer.server, replace(RULES))
            async with asking.client.session() as session:
                channel = AuthChannel(session.stream)
                begun = asyncio.get_running_loop().time()
                assert await asyncio.gather(*(channel.ask(str(seconds), 60) for seconds in (9, 1, 5, 3))) == ["OK"] * 4
                assert asyncio.get_running_loop().time() - begun == pytest.approx(9, abs=0.1)
                with pytest.raises(TimeoutError):
                    await channel.ask("never", 5)
                waiting = [asyncio.create_task(channel.ask("never", 500)) for _ in range(3)]
                with pytest.raises(StreamFailure):
                    await channel.ask("dies", 5)
                heard = await asyncio.gather(*waiting, return_exceptions=True)
                assert all(isinstance(one, StreamFailure) for one in heard)
            assert peer.accepted == 1

    run(play())
