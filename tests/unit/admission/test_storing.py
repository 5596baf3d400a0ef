"""What was stored is delivered, whatever becomes of what is told about it; and whoever waits, waits for one commit."""

import asyncio

import pytest
from tests.support.notes import texts

from gatepost.admission.storing import NOTICES_AT_ONCE, Storing
from gatepost.events.records import Event, tell_fault
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue.port import NewMessage

ENVELOPE = Envelope("a@client.test", (Recipient("b@here.test"),))
PLAIN = NewMessage(QueueId(1, 1), ENVELOPE, MemoryContent(b"x"), 1)
EXPANDED = NewMessage(QueueId(1, 1), ENVELOPE, MemoryContent(b"x"), 1, (Recipient("list@here.test"),))


class Scene:
    """A store and what follows it. `broken`: what raises; `did`: in order."""

    def __init__(self, *, delivers: bool = True, **broken: BaseException) -> None:
        self.did: list[str] = []
        self.events: list[Event] = []
        self._broken = broken
        self.storing = Storing(
            self,  # type: ignore[arg-type]
            delivers=delivers,
            deliver=lambda message: self._do("deliver"),
            shelve=lambda identity: self._do("shelve"),
            tell_of_success=self._tell,
            emit=self.events.append,
            fault=tell_fault("worker", self.events.append),
        )

    def _do(self, what: str) -> None:
        self.did.append(what)
        if what in self._broken:
            raise self._broken[what]

    async def put(self, message: NewMessage) -> None:
        self._do("put")

    async def _tell(self, *_: object) -> None:
        self._do("tell")

    def run(self, message: NewMessage) -> list[str]:
        """What was done, and where the store returned."""

        async def scenario() -> None:
            await self.storing(message)
            self.did.append("250")
            await self.storing.finish()

        asyncio.run(scenario())
        return self.did

    @property
    def told(self) -> list[str]:
        return texts(self.events)


def test_a_message_is_stored_then_delivered() -> None:
    assert Scene().run(PLAIN) == ["put", "deliver", "250"]
    assert Scene(delivers=False).run(PLAIN) == ["put", "250"]


def test_nobody_waits_for_the_commit_of_a_notice() -> None:
    assert Scene().run(EXPANDED) == ["put", "250", "tell", "deliver"]


def test_a_flood_of_expanded_mail_waits_for_its_notices() -> None:
    """Neither tasks nor contents pile up: one message more is not even stored until a notice is durable."""
    scene, room = Scene(), asyncio.Event()

    async def slow(*_: object) -> None:
        await room.wait()

    scene.storing._tell_of_success = slow

    async def scenario() -> None:
        storing = [asyncio.ensure_future(scene.storing(EXPANDED)) for _ in range(3 * NOTICES_AT_ONCE)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert (scene.did.count("put"), sum(task.done() for task in storing)) == (NOTICES_AT_ONCE, NOTICES_AT_ONCE)
        await scene.storing(PLAIN)  # what needs no notice waits for none
        storing[-1].cancel()
        room.set()
        await asyncio.wait(storing)
        await scene.storing.finish()

    asyncio.run(scenario())
    assert scene.did.count("put") == scene.did.count("deliver") == 3 * NOTICES_AT_ONCE


def test_what_cannot_be_stored_leaves_room_for_others() -> None:
    scene = Scene(put=QueueUnavailable("full"))

    async def scenario() -> None:
        for _ in range(2 * NOTICES_AT_ONCE):
            with pytest.raises(QueueUnavailable):
                await scene.storing(EXPANDED)

    asyncio.run(scenario())


@pytest.mark.parametrize("message", [PLAIN, EXPANDED])
def test_what_is_not_stored_is_not_delivered_nor_told_of(message: NewMessage) -> None:
    scene = Scene(put=QueueUnavailable("full"))
    with pytest.raises(QueueUnavailable):
        scene.run(message)
    assert scene.did == ["put"]


def test_a_notice_that_cannot_be_stored_is_told() -> None:
    scene = Scene(tell=OSError(28, "No space left on device"))
    assert scene.run(EXPANDED)[-1] == "deliver"
    assert scene.told == ["notice not sent: [Errno 28] No space left on device"]


@pytest.mark.parametrize("error", [KeyError(1), asyncio.CancelledError()])
def test_whatever_becomes_of_the_notice_the_message_is_delivered(error: BaseException) -> None:
    assert Scene(tell=error).run(EXPANDED)[-1] == "deliver"


@pytest.mark.parametrize("message", [PLAIN, EXPANDED])
def test_a_scheduler_that_breaks_leaves_the_message_in_the_queue(message: NewMessage) -> None:
    scene = Scene(deliver=KeyError(1))
    assert scene.run(message)[-1 if message.expanded else -2] == "shelve"
    assert scene.told == [f"KeyError: 1: {message.id} waits in the queue"]
