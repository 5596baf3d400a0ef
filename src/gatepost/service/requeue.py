"""Mail that `postsuper -r` took out of the queue is taken in anew (pickup(8)): rewritten and expanded again by the tables as they
are now, filtered as pickup says, under an id and with a lifetime of its own.

As Postfix's pickup does, this looks when it starts, as often as master.cf has pickup woken, and when the queue is flushed. The
old message goes when the new one is durable: a crash in between takes it in twice, never not at all.
"""

import asyncio
import os
from collections.abc import Mapping

from msgspec.structs import replace

from gatepost.events.records import Note, PickedUp
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import sent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage
from gatepost.mail.submission import QueueUnavailable, Unstorable
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import Settlement, Status
from gatepost.queue.store import SqliteStore
from gatepost.service.internal_mail import InternalMail, MailRefused
from gatepost.service.materials import Materials
from gatepost.service.pickup import PickupSettings, is_for_now, pickup_service
from gatepost.service.refused_mail import return_to_sender
from gatepost.service.ways import WayIn

_AT_ONCE = 20
"""Messages to have in hand."""
_WAKEUP = 60.0
"""Seconds between looks where master.cf has no pickup, or none that is woken."""


class Requeue:
    """Takes in anew what waits for that in the partitions of a worker."""

    def __init__(self, materials: Materials, way_in: WayIn, partitions: Partitions, flushed: asyncio.Event) -> None:
        """`flushed`: set when the queue is flushed."""
        entry = pickup_service(materials.configuration)
        overrides: Mapping[str, str] = entry.overrides if entry else {}
        self._materials = materials
        self._way_in = way_in
        self._partitions = partitions
        self._flushed = flushed
        self._settings = materials.configuration.view(PickupSettings, overrides)
        self._submit = InternalMail(way_in.admission(overrides), way_in.new_id, materials.settings)
        self._wakeup = (entry.wakeup if entry else 0) or _WAKEUP

    async def run(self) -> None:
        """Look from time to time, until cancelled."""
        while True:
            self._flushed.clear()
            for store in self._partitions.stores():
                try:
                    await self._look(store)
                except (OSError, QueueUnavailable) as error:
                    self._warn(f"queue partition {store.partition}: {error}")
            try:
                async with asyncio.timeout(self._wakeup):
                    await self._flushed.wait()
            except TimeoutError:
                continue

    async def _look(self, store: SqliteStore) -> None:
        after, more = 0, True
        while more:
            found = await store.requeued(after, _AT_ONCE)
            for message in found.messages:
                after = message.id.key
                await self._one(store, message)
            more = bool(found.messages) and not found.exhausted

    async def _one(self, store: SqliteStore, message: ActiveMessage) -> None:
        """Take a message in anew; what breaks is put on hold, for a person to look at. Raises QueueUnavailable, OSError."""
        try:
            await self._take(message)
        except Unstorable as error:
            await self._hold(store, message, str(error))
        except (OSError, QueueUnavailable):
            raise
        except Exception as error:
            self._materials.fault(error, f"{message.id} is put on hold")
            await self._hold(store, message, f"{type(error).__name__}: {error}")

    async def _hold(self, store: SqliteStore, message: ActiveMessage, why: str) -> None:
        self._warn(f"{message.id}: {why}: put on hold")
        await store.hold(message.id, why)

    async def _take(self, message: ActiveMessage) -> None:
        """Take a message in anew. Raises QueueUnavailable, OSError."""
        clock, emit, uid = self._materials.clock, self._materials.emit, os.geteuid()
        queue_id = self._way_in.new_id()
        envelope = anew(message, self._settings.content_filter)
        emit(PickedUp("pickup", str(queue_id), uid, envelope.sender, str(message.id)))
        try:
            await self._submit.submit(queue_id, envelope, message.content.chunks(), origin="pickup", comment=f", from userid {uid}")
        except MailRefused as refused:
            if is_for_now(refused, self._settings) or refused.returned is None:
                self._warn(f"{message.id}: {refused}: tried again later")
                return
            await return_to_sender(self._way_in.notices, refused.returned, refused.outcome, clock=clock, emit=emit)
        self._settle(message, queue_id)

    def _settle(self, message: ActiveMessage, queue_id: QueueId) -> None:
        outcome = sent(f"requeued as {queue_id}")
        self._partitions.settle(
            [Settlement(message.id, recipient.index, Status.REQUEUED, outcome) for recipient in message.recipients]
        )

    def _warn(self, text: str) -> None:
        self._materials.emit(Note("pickup", text, "warning"))


def anew(message: ActiveMessage, content_filter: str) -> Envelope:
    """The envelope that a requeued message comes in with: what was known of its client, and those recipients that are not done. A
    filter or another destination that a table once gave it does not stay (postsuper(1), -r)."""
    envelope = message.envelope
    spent = ("encoding", "trace_flags") if message.traced else ("encoding",)
    known = tuple((name, value) for name, value in envelope.attributes if name not in spent)
    first = () if envelope.attribute("log_ident") else (("log_ident", str(message.id)),)
    return replace(
        envelope,
        recipients=tuple(queued.recipient for queued in message.recipients),
        content_filter=content_filter,
        redirect="",
        hold=False,
        attributes=(*first, *known),
    )
