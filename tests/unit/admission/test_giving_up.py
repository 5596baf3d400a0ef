"""Whoever hands a message in may give up at any moment: nothing stays in staging then."""

import asyncio
import errno
import io
from pathlib import Path
from typing import Any

import pytest
from tests.unit.admission.guards import Scripted
from tests.unit.receive.test_cleanup import QUEUE_ID, Run

from gatepost.admission import staging
from gatepost.admission.edits import ReplaceBody
from gatepost.admission.port import NOTHING_FOUND, Finding, ProtocolStage, View
from gatepost.mail.content import FileContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue.port import NewMessage

ENVELOPE = Envelope("a@b.test", (Recipient("alice@example.test"), Recipient("bob@example.test")))
LARGE = b"Subject: s\r\n\r\n" + b"x\r\n" * 200_000
LONG_HEADERS = b"X-A: b\r\n" * 20_000 + LARGE
MOST = 50


async def slow(stage: ProtocolStage, view: View) -> Finding:
    await asyncio.sleep(0)
    if stage is ProtocolStage.END_OF_MESSAGE:
        return Finding("slow", edits=(ReplaceBody(lambda: iter([b"new\r\n" * 100_000])),))
    return NOTHING_FOUND


class Giving(Run):
    """A store as port.py has it: a content is its own from the call on, and goes where the message is not stored."""

    broken: BaseException | None = None

    async def _store(self, message: NewMessage) -> None:
        assert isinstance(message.content, FileContent)
        try:
            await asyncio.sleep(0)
            if self.broken is not None:
                raise self.broken
            await asyncio.sleep(0)
        except BaseException:
            message.content.path.unlink()
            raise
        self.stored.append(message)

    async def give_up(self, content: bytes, after: int) -> bool:
        """Whether the message was in the queue before `after` turns of the loop had passed."""
        intake = self.cleanup.open(QUEUE_ID, client="", origin_service="pickup")
        for start in range(0, len(content), 65536):
            intake.write(content[start : start + 65536])
        task = asyncio.ensure_future(intake.admit(ENVELOPE))
        for _ in range(after):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return not task.cancelled()


@pytest.mark.parametrize("content", [LARGE, LONG_HEADERS])
def test_given_up_at_any_await(tmp_path: Path, content: bytes) -> None:
    gave_up = 0
    for after in range(1, MOST):
        run = Giving(tmp_path, Scripted("slow", slow))
        done = asyncio.run(run.give_up(content, after))
        assert (len(list(tmp_path.iterdir())), len(run.stored)) == (done, done), after
        for path in tmp_path.iterdir():
            path.unlink()
        if done:
            break
        gave_up += 1
    assert gave_up > 5


@pytest.mark.parametrize("error", [QueueUnavailable("full"), OSError(28, "full"), ZeroDivisionError()])
def test_a_store_that_fails(tmp_path: Path, error: Exception) -> None:
    run = Giving(tmp_path)
    run.broken = error
    try:
        assert run(LARGE, step=65536).outcome is not None
    except (QueueUnavailable, ZeroDivisionError) as raised:
        assert raised is error
    assert not list(tmp_path.iterdir())


# --- a disk that is full, or takes no more changes ---


class FullDisk(Giving):
    """Files take `room` octets of what is written, and then say that there is no room, also when they are closed."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        super().__init__(directory)

        class Raw(io.FileIO):
            def write(self, octets: Any) -> int:
                nonlocal room
                if room < len(memoryview(octets)):
                    raise OSError(errno.ENOSPC, "No space left on device")
                room -= len(memoryview(octets))
                return super().write(octets)

        monkeypatch.setattr(staging, "_open", lambda path, mode: io.BufferedRandom(Raw(path, "w+b"), 1 << 20))


@pytest.mark.parametrize("room", [0, 300_000, 500_000])
@pytest.mark.parametrize("ends", ["abort", "admit"])
def test_nothing_stays_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, ends: str) -> None:
    """What could not be written must not be tried again when it is thrown away: that would keep the disk full, and the session of
    the message would never end."""
    run = FullDisk(tmp_path, monkeypatch, room)
    intake = run.cleanup.open(QUEUE_ID, client="", origin_service="smtpd")
    for start in range(0, len(LARGE), 65536):
        intake.write(LARGE[start : start + 65536])
    if ends == "abort":
        intake.abort()
    else:
        outcome = asyncio.run(intake.admit(ENVELOPE)).outcome
        assert outcome is not None
        assert outcome.code == 451
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_changes_ends_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    intake = Giving(tmp_path).cleanup.open(QUEUE_ID, client="", origin_service="smtpd")
    intake.write(LARGE)
    monkeypatch.setattr(Path, "unlink", fails)
    intake.abort()
