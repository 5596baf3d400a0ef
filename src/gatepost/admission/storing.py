"""The last stage of the way in: a message becomes durable, then its delivery begins. Nothing else puts a message into the queue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from gatepost.events.notes import NoticeNotSent
from gatepost.events.records import Emit, Fault
from gatepost.mail.outcome import sent
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue.port import Failure, NewMessage, Store

ALIAS_EXPANDED = sent("alias expanded")

NOTICES_AT_ONCE = 100
"""Expansion notices that are being made durable. A message that would need one more waits before it is stored, and so does its
sender: what comes in is then no quicker than the notices of it."""

Tell = Callable[[ActiveMessage, Sequence[Failure]], Awaitable[None]]


class Storing:
    """The store of all admissions of a worker.

    `delivers`: queue_deliver. `deliver`: begins to deliver a durable message. `shelve`: leaves it to wait in the store where that
    breaks.
    `tell_of_success`: the notice of success (Notifier.succeeded). `fault`: whom to tell of what nobody expected to be raised.
    """

    def __init__(
        self,
        store: Store,
        *,
        delivers: bool,
        deliver: Callable[[NewMessage], None],
        shelve: Callable[[NewMessage], object],
        tell_of_success: Tell,
        emit: Emit,
        fault: Fault,
    ) -> None:
        self._store = store
        self._delivers = delivers
        self._deliver = deliver
        self._shelve = shelve
        self._tell_of_success = tell_of_success
        self._emit = emit
        self._fault = fault
        self._telling: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(NOTICES_AT_ONCE)

    async def __call__(self, message: NewMessage) -> None:
        """Make a message durable; whoever waits for that waits for one commit. Raises QueueUnavailable, and then nothing was
        accepted."""
        if message.expanded:
            return await self._put_and_tell(message)
        await self._store.put(message)
        self._begin(message)
        return None

    async def _put_and_tell(self, message: NewMessage) -> None:
        """The notice is another message, which nobody who waits for this one waits for."""
        await self._room.acquire()
        try:
            await self._store.put(message)
        except BaseException:
            self._room.release()
            raise
        task = asyncio.get_running_loop().create_task(self._tell_and_deliver(message))
        self._telling.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        self._room.release()

    async def finish(self) -> None:
        """Return when the notices that are under way are durable."""
        while self._telling:
            await asyncio.wait(self._telling)

    async def _tell_and_deliver(self, message: NewMessage) -> None:
        """First the notice, which quotes the content: what is delivered gives that up."""
        try:
            await self._tell_of_expansion(message)
        finally:  # what is stored is in our hands now, and nobody else would look at it before we end
            self._begin(message)

    async def _tell_of_expansion(self, message: NewMessage) -> None:
        """RFC 3461 §5.2.7.3: an alias has taken the place of a recipient whose sender asked to hear of success."""
        active = ActiveMessage(message.id, replace(message.envelope, recipients=()), message.content, message.size, ())
        told = [Failure(QueuedRecipient(-1, recipient), ALIAS_EXPANDED, "expanded") for recipient in message.expanded]
        try:
            await self._tell_of_success(active, told)
        except (QueueUnavailable, OSError) as error:
            self._emit(NoticeNotSent("bounce", str(error), queue_id=str(message.id)))
        except Exception as error:
            self._fault(error, f"{message.id}: notice not sent")

    def _begin(self, message: NewMessage) -> None:
        if not self._delivers:
            return
        try:
            self._deliver(message)
        except Exception as error:  # it is accepted: its sender must not be told to send it again
            self._fault(error, f"{message.id} waits in the queue")
            self._shelve(message)
