"""pickup(8): takes what sendmail(1) has left in the maildrop. One worker at a time does it, the one that holds the lock.

A file goes when its message is durable in the queue, and not before: a crash in between takes it in twice, never not at all.
"""

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.events.records import Note, PickedUp
from gatepost.mail.content import FileContent
from gatepost.mail.queue_id import QueueId
from gatepost.queue.port import QueueUnavailable
from gatepost.receive import maildrop
from gatepost.receive.local_submission import Submitter, envelope_of
from gatepost.service.internal_mail import MailRefused

if TYPE_CHECKING:
    from gatepost.service.house import House

_ROUND = 0.2  # seconds between looks; an empty folder costs a few microseconds to look at
_RETRY = 10.0  # seconds to leave the maildrop alone when the queue does not take mail


class Pickup:
    """The pickup service of a worker."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._maildrop = house.queue_directory / "maildrop"
        self._submitter = Submitter(house.settings.myhostname)
        self._lock: int | None = None

    async def run(self) -> None:
        """Look into the maildrop until cancelled."""
        while True:
            pause = _ROUND
            if self._lock is not None or self._take_lock():
                try:
                    await self._look()
                except (OSError, QueueUnavailable) as error:
                    self._warn(f"{self._maildrop}: {error}")
                    pause = _RETRY
            await asyncio.sleep(pause)

    def _take_lock(self) -> bool:
        """Whether this worker is the one that picks up; the kernel gives the lock on when it ends."""
        descriptor = os.open(self._house.queue_directory / "private" / "pickup.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    async def _look(self) -> None:
        for path in maildrop.waiting(self._maildrop):
            try:
                await self._take(path)
            except maildrop.Damaged as error:
                self._warn(f"{error}: set aside")
                path.rename(self._house.queue_directory / "corrupt" / path.name)

    async def _take(self, path: Path) -> None:
        submission, offset, uid, _ = maildrop.read(path)
        queue_id = self._house.partitions.new_id()
        content = FileContent(path, path.stat().st_size - offset, offset)
        envelope, body = envelope_of(submission, content, self._submitter, uid)
        self._house.emit(PickedUp("pickup", str(queue_id), uid, envelope.sender))
        try:
            await self._house.internal_mail.submit(
                queue_id, envelope, body, origin="pickup", comment=f", from userid {uid}", checked=True
            )
        except MailRefused as refusal:
            self._refused(path, queue_id, refusal)
            return
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def _refused(self, path: Path, queue_id: QueueId, refusal: MailRefused) -> None:
        self._warn(f"{queue_id}: {refusal}: set aside as corrupt/{path.name}")
        path.rename(self._house.queue_directory / "corrupt" / path.name)

    def _warn(self, text: str) -> None:
        self._house.emit(Note("pickup", text, "warning"))
