"""pickup(8): takes what sendmail(1) has left in the maildrop. One worker at a time does it, the one that holds the lock.

A file goes when its message is durable in the queue, and not before: a crash in between takes it in twice, never not at all.
"""

import asyncio
import fcntl
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.events.records import Note, PickedUp
from gatepost.lookup.port import LookupFailure
from gatepost.mail.outcome import Class
from gatepost.mail.submission import QueueUnavailable, Unstorable
from gatepost.receive import maildrop
from gatepost.receive.local_submission import envelope_of
from gatepost.service import submission_rights
from gatepost.service.internal_mail import UNCHECKED, InternalMail, MailRefused
from gatepost.service.materials import Materials
from gatepost.service.refused_mail import return_to_sender
from gatepost.service.ways import WayIn

_ROUND = 0.2  # seconds between looks; an empty folder costs a few microseconds to look at
_RETRY = 10.0  # seconds to leave the maildrop alone when the queue does not take mail


class PickupSettings(Struct, frozen=True):
    """Parameters of pickup(8), with those of its line in master.cf."""

    content_filter: str
    soft_bounce: bool


def pickup_service(configuration: Configuration) -> ServiceEntry | None:
    """The line of master.cf."""
    return configuration.service("pickup/unix") or configuration.service("pickup/fifo")


def is_for_now(refused: MailRefused, settings: PickupSettings) -> bool:
    """Whether cleanup may take the mail later."""
    return refused.outcome.cls is Class.TEMPORARY or settings.soft_bounce


class Pickup:
    """The pickup service of a worker."""

    def __init__(self, materials: Materials, way_in: WayIn) -> None:
        self._materials = materials
        self._way_in = way_in
        self._maildrop = materials.queue_directory / "maildrop"
        entry = pickup_service(materials.configuration)
        overrides: Mapping[str, str] = entry.overrides if entry else {}
        self._settings = materials.configuration.view(PickupSettings, overrides)
        self._submit = InternalMail(way_in.admission(overrides), way_in.new_id, materials.settings)
        self._submit_released = InternalMail(way_in.admission({**overrides, **UNCHECKED}), way_in.new_id, materials.settings)
        self._restricted = not submission_rights.everybody_may(materials.configuration)
        self._lock: int | None = None
        self._stuck: set[str] = set()
        self._again: dict[Path, float] = {}  # when to look again at what was refused for now, in seconds of the monotonic clock

    async def run(self) -> None:
        """Look into the maildrop until cancelled."""
        while True:
            pause = _ROUND
            try:
                if (self._lock is not None or self._take_lock()) and await self._look() >= maildrop.AT_ONCE:
                    pause = 0.0  # there is more
            except (OSError, QueueUnavailable) as error:
                self._warn(f"{self._maildrop}: {error}")
                pause = _RETRY
            await asyncio.sleep(pause)

    def _take_lock(self) -> bool:
        """Whether this worker is the one that picks up; the kernel gives the lock on when it ends."""
        path = self._materials.queue_directory / "private" / "pickup.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    async def _look(self) -> int:
        """Take in what waits; how many files. Anybody may put any number there: they are looked for in a thread, and between two of
        them others have their turn."""
        now = time.monotonic()
        self._again = {path: when for path, when in self._again.items() if when > now}
        passed_over = self._stuck | {str(path) for path in self._again}
        found = await asyncio.to_thread(maildrop.waiting, self._maildrop, passed_over)
        for path in found:
            await self._one(path)
            await asyncio.sleep(0)
        return len(found)

    async def _one(self, path: Path) -> None:
        """Take in a file, put it off, or set it aside: whatever is wrong with it, the next one has its turn. Raises OSError and
        QueueUnavailable where it is not the file that is wrong."""
        try:
            with maildrop.opened(path) as waiting:
                await self._take(waiting)
        except FileNotFoundError:
            return  # its owner took it back
        except LookupFailure as failure:
            self._try_later(path, str(failure))
        except submission_rights.NotAllowed as refusal:
            self._set_aside(path, str(refusal))
        except MailRefused as refused:
            settle = self._try_later if is_for_now(refused, self._settings) else self._set_aside
            settle(path, str(refused))
        except (maildrop.Damaged, Unstorable) as error:
            self._set_aside(path, str(error))
        except (OSError, QueueUnavailable):
            raise
        except Exception as error:
            self._materials.fault(error, f"{path.name} is set aside")
            self._set_aside(path, f"{type(error).__name__}: {error}")
        else:
            self._done(path)

    def _done(self, path: Path) -> None:
        self._again.pop(path, None)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # it must not be taken in again and again
            self._set_aside(path, f"taken in, but not removed: {error.strerror}")

    async def _take(self, waiting: maildrop.Waiting) -> None:
        """Queue a submission. Raises QueueUnavailable (MailRefused among them), OSError, NotAllowed, LookupFailure."""
        released = waiting.submission.released and waiting.uid in (0, os.geteuid())
        if self._restricted and not released:
            sender = waiting.submission.sender
            await submission_rights.check(self._materials.configuration, waiting.uid, sender, self._materials.tables("pickup"))
        queue_id = self._way_in.new_id()
        envelope = envelope_of(waiting.submission, content_filter="" if released else self._settings.content_filter)
        submit = self._submit_released if released else self._submit
        self._materials.emit(PickedUp("pickup", str(queue_id), waiting.uid, envelope.sender))
        comment = f", from userid {waiting.uid}"
        try:
            await submit.submit(queue_id, envelope, waiting.chunks(), origin="pickup", comment=comment)
        except MailRefused as refused:
            if is_for_now(refused, self._settings) or refused.returned is None:
                raise
            clock, emit = self._materials.clock, self._materials.emit
            await return_to_sender(self._way_in.notices, refused.returned, refused.outcome, clock=clock, emit=emit)

    def _try_later(self, path: Path, why: str) -> None:
        self._again[path] = time.monotonic() + _RETRY
        self._warn(f"{path.name}: {why}: tried again later")

    def _set_aside(self, path: Path, why: str) -> None:
        """Out of the way, and kept. A folder of others cannot leave the maildrop, but its name there is ours to change; what stays
        is not looked at again, so that it holds up nobody's mail."""
        for aside in (f"corrupt/{path.name}", f"maildrop/{path.name}.{secrets.token_hex(8)}"):
            try:
                path.rename(self._materials.queue_directory / aside)
            except OSError as error:
                failure = error
            else:
                self._warn(f"{path.name}: {why}: set aside as {aside}")
                return
        self._stuck.add(str(path))
        self._warn(f"{path.name}: {why}: cannot be set aside: {failure.strerror}")

    def _warn(self, text: str) -> None:
        self._materials.emit(Note("pickup", text, "warning"))
