"""The worker's end: whatever a scanner does instead of answering is one named failure, in time."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatepost.filter.facts import Facts, Request, ScoredHit
from gatepost.filter.port import Session
from gatepost.filter.scanning import ScanFailed
from gatepost.mail.content import MemoryContent
from gatepost.service.scanner import frames
from gatepost.service.scanner.client import ScannerClient

MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
REQUEST = Request(Session(helo="mail.example"))
FACTS = Facts(hits=(ScoredHit("RULE", 1.5),), score=1.5)

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ask(folder: Path, answering: Answering, deadline: float = 20.0) -> Facts:
    """The answer of a scanner that behaves like `answering`, once it has read the question."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, size = frames.QUESTION.unpack(await reader.readexactly(frames.QUESTION.size))
        assert frames.asked(await reader.readexactly(head)) == REQUEST
        assert await reader.readexactly(size) == MESSAGE
        await answering(reader, writer)
        writer.close()

    async def run() -> Facts:
        server = await asyncio.start_unix_server(serve, folder / "scanner")
        async with server:
            return await ScannerClient(folder / "scanner", deadline).scan(REQUEST, MemoryContent(MESSAGE))

    return asyncio.run(run())


def saying(octets: bytes) -> Answering:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(octets)

    return say


def test_facts_come_back(tmp_path: Path) -> None:
    assert ask(tmp_path, saying(frames.answer(FACTS))) == FACTS


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "ended without an answer"),
        (frames.answer(FACTS)[:-1], "ended without an answer"),
        (frames.ANSWER.pack(0, frames.MOST_ANSWER + 1), "nonsense"),
        (frames.ANSWER.pack(7, 1) + b"x", "nonsense"),
        (frames.ANSWER.pack(0, 3) + b"\xc1ab", "nonsense"),
        (frames.ANSWER.pack(0, 1) + b"\xc0", "nonsense"),
        (frames.failure("too large"), "too large"),
    ],
)
def test_what_is_no_answer_is_a_failure(tmp_path: Path, octets: bytes, why: str) -> None:
    with pytest.raises(ScanFailed, match=why):
        ask(tmp_path, saying(octets))


def test_a_scanner_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(ScanFailed, match="no answer within"):
        ask(tmp_path, hang, 0.1)


def test_no_scanner_is_a_failure(tmp_path: Path) -> None:
    client = ScannerClient(tmp_path / "nobody", 5)
    with pytest.raises(ScanFailed, match="No such file"):
        asyncio.run(client.scan(REQUEST, MemoryContent(MESSAGE)))


def test_facts_that_are_too_many_are_not_sent() -> None:
    many = Facts(hits=(ScoredHit("RULE", matched=bytes(frames.MOST_ANSWER)),))
    assert frames.coming(frames.answer(many)[: frames.ANSWER.size])[0] is False
