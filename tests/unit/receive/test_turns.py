"""No message, however shaped, keeps the event loop to itself: others have their turn while it is looked at.

Measured is the CPU time of the loop's thread between two turns of another task, which a busy machine does not change.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.receive.test_cleanup import CLIENT, QUEUE_ID, Run

from gatepost.mail.envelope import Envelope, Recipient
from gatepost.proto.smtp.data import BdatReader, DataReader
from gatepost.proto.smtp.server import EndOfData, ServerCore

_LONGEST = 0.1
"""Seconds of one step; a tenth of it is usual. Without turns, the shapes take seconds."""

_BOUNDARIES = b"".join(b"Content-Type: multipart/x; boundary=b%d\r\n" % number for number in range(100)) + b"\r\n"
_SIZE = 500_000

SHAPES = {
    "headers": b"a:b\r\n" * 100_000 + b"\r\n",
    "continuations": b"a: b\r\n" + b" c\r\n" * 250_000 + b"\r\n",
    "addresses": (b"To: " + b"a@b.cc (x), " * 8_000 + b"\r\n") * 5 + b"\r\n",
    "blanks": b"To:" + b" " * 90_000 + b"x\r\n\r\n",
    "lines of one octet": b"\r\n" + b"a\r\n" * (_SIZE // 3),
    "dashes": _BOUNDARIES + b"--x\r\n" * (_SIZE // 5),
    "levels": _BOUNDARIES + b"--b0\r\n--b99\r\n" * (_SIZE // 26),
    "parts": b"Content-Type: multipart/x; boundary=b\r\n\r\n" + b"--b\r\nA: b\r\n\r\nx\r\n" * (_SIZE // 32),
    "headers of a part": b"Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n" + b"a:b\r\n" * (_SIZE // 10),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * (_SIZE // 32),
}


def longest_step(work: Callable[[], object]) -> float:
    """The longest time between two turns of another task while `work`, a coroutine function, runs."""
    longest = 0.0

    async def run() -> None:
        nonlocal longest
        done = asyncio.ensure_future(work())  # type: ignore[arg-type]
        last = time.thread_time()
        while not done.done():
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now
        await done

    asyncio.run(run())
    return longest


@pytest.mark.parametrize("name", SHAPES)
def test_cleanup_gives_others_their_turn(tmp_path: Path, name: str) -> None:
    checks = {f"{kind}_checks": "regexp:{{/^never seen/ REJECT}}" for kind in ("header", "body")}
    run = Run(tmp_path, **checks)
    intake = run.cleanup.open(QUEUE_ID, client=CLIENT, origin_service="smtpd", context="local")
    for at in range(0, len(SHAPES[name]), 65536):
        intake.write(SHAPES[name][at : at + 65536])
    assert longest_step(lambda: intake.admit(Envelope("a@b.test", (Recipient("c@d.test"),)))) < _LONGEST


def test_many_recipients_give_others_their_turn(tmp_path: Path) -> None:
    intake = Run(tmp_path).cleanup.open(QUEUE_ID, client=CLIENT, origin_service="pickup", context="local")
    intake.write(b"Subject: x\r\n\r\n")
    recipients = tuple(Recipient(f"user {number}@example.test") for number in range(20_000))
    assert longest_step(lambda: intake.admit(Envelope("a@b.test", recipients))) < _LONGEST


@pytest.mark.parametrize("line", [b"a\n", b"a\r", b"..\r\n", b"\r\r\n", b"a\r\n"])
def test_content_comes_in_small_steps(line: bytes) -> None:
    """Whatever is waiting in a connection's buffer, one event is made of a bounded part of it."""
    for reader in (DataReader(), BdatReader()):
        core = ServerCore()
        wire = line * (700_000 // len(line))
        if isinstance(reader, DataReader):
            core.read_data(reader)
            core.feed(wire + b"\r\n.\r\nQUIT\r\n")
        else:
            core.read_chunk(reader, len(wire))
            core.feed(wire + b"QUIT\r\n")
        pieces = []
        while not isinstance(event := core.next_event(), EndOfData):
            assert event is not None
            pieces.append(event)
        assert len(pieces) > 5
        command = core.next_event()
        assert getattr(command, "verb", "") == "QUIT"
