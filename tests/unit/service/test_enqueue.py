"""What was stored is delivered, whatever becomes of what is told about it."""

import asyncio
import contextlib
import types

from gatepost.events.records import Event, Note
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.queue.port import NewMessage
from gatepost.service.house import House

CONTENT = MemoryContent(b"x")
MESSAGE = NewMessage(
    QueueId(1, 1), Envelope("a@client.test", (Recipient("b@here.test"),)), CONTENT, 1, (Recipient("list@here.test"),)
)


async def _enqueued(told: BaseException) -> tuple[list[NewMessage], list[Event]]:
    """What the scheduler got, and what is in the log, where the notice of an expansion ends so."""

    async def put(message: NewMessage) -> None: ...

    async def succeeded(*_: object) -> None:
        raise told

    accepted: list[NewMessage] = []
    events: list[Event] = []
    house = types.SimpleNamespace(
        partitions=types.SimpleNamespace(put=put),
        notices=types.SimpleNamespace(succeeded=succeeded),
        settings=types.SimpleNamespace(queue_deliver=True),
        scheduler=types.SimpleNamespace(accept=accepted.append),
        emit=events.append,
    )
    house._tell_of_expansion = types.MethodType(House._tell_of_expansion, house)
    with contextlib.suppress(asyncio.CancelledError):
        await House.enqueue(house, MESSAGE)  # type: ignore[arg-type]
    return accepted, events


def test_a_notice_that_cannot_be_stored_is_told() -> None:
    accepted, events = asyncio.run(_enqueued(OSError(28, "No space left on device")))
    assert accepted == [MESSAGE]
    assert [event.text for event in events if isinstance(event, Note)] == ["notice not sent: [Errno 28] No space left on device"]


def test_a_session_that_ends_meanwhile_leaves_no_message_behind() -> None:
    assert asyncio.run(_enqueued(asyncio.CancelledError()))[0] == [MESSAGE]
