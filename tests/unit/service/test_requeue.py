"""Mail that `postsuper -r` has taken out of the queue comes in anew."""

import asyncio
import os
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.notes import is_note, text_of

from gatepost.admission.port import TAKEN, Admitted
from gatepost.events.maillog import severity
from gatepost.events.records import Event, PickedUp, tell_fault
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.queue import actions, inspect
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import Failure, NewMessage
from gatepost.service.requeue import Requeue, anew

CLIENT = (("rewrite_context", "remote"), ("log_client_name", "c.test"), ("encoding", "8bit"), ("trace_flags", "1024"))
ENVELOPE = Envelope(
    "a@client.test",
    (Recipient("b@remote.test", "list@here.test"), Recipient("c@other.test")),
    content_filter="old:filter",
    redirect="red@remote.test",
    hold=True,
    attributes=CLIENT,
)


class Rooms:
    """As much of a worker's materials and of its way in as this needs: real partitions, and a cleanup that answers `outcome`."""

    def __init__(self, directory: Path, outcome: Outcome | Exception | None) -> None:
        self.queue_directory = directory
        self.events: list[Event] = []
        self.emit = self.events.append
        self.fault = tell_fault("worker", self.emit)
        self.clock = lambda: 0.0
        self.partitions = Partitions(directory, emit=self.emit)
        self.new_id = self.partitions.new_id
        self.flushed = asyncio.Event()
        self.settings = types.SimpleNamespace(myhostname="mail.test", mail_name="Gatepost")
        self.configuration = self.notices = self
        self.taken: list[tuple[Envelope, bytes]] = []
        self.returned: list[str] = []
        self._outcome = outcome

    def service(self, name: str) -> None: ...

    def view(self, cls: type[Any], overrides: Mapping[str, str]) -> Any:
        return cls(content_filter="", soft_bounce=False)

    def admission(self, overrides: Mapping[str, str]) -> "Rooms":
        return self

    def open(self, queue_id: QueueId, *, context: str, **_: str) -> "Rooms":
        assert context == "remote"
        self._id, self._chunks = queue_id, b""
        return self

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        self._chunks += chunk

    async def admit(self, envelope: Envelope) -> Admitted:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        message = NewMessage(self._id, envelope, MemoryContent(self._chunks), len(self._chunks))
        if self._outcome:
            return Admitted(self._outcome, message)
        self.taken.append((message.envelope, message.content.read()))
        await self.partitions.put(message)
        return TAKEN

    def abort(self) -> None: ...

    async def bounced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        self.returned += [failure.recipient.recipient.address for failure in failures]


def requeued(directory: Path, outcome: Outcome | Exception | None = None) -> tuple[Rooms, QueueId, dict[QueueId, str]]:
    """What became of a message that was requeued: the rooms, the message, and the queues afterwards."""

    async def scenario() -> tuple[Rooms, QueueId]:
        rooms = Rooms(directory, outcome)
        identity = rooms.partitions.new_id()
        await rooms.partitions.put(NewMessage(identity, ENVELOPE, MemoryContent(b"Subject: x\r\n\r\nx\r\n"), 18))
        runner = asyncio.create_task(Requeue(rooms, rooms, rooms.partitions, rooms.flushed).run())  # type: ignore[arg-type]
        await rooms.partitions.live(identity)
        actions.by_ids(directory, actions.REQUEUE, [identity])
        assert [message.queue for message in inspect.messages(directory)] == ["maildrop"]
        rooms.flushed.set()
        async with asyncio.timeout(5):
            await _until(rooms)
        runner.cancel()
        rooms.partitions.close()
        return rooms, identity

    rooms, identity = asyncio.run(scenario())
    return rooms, identity, {message.id: message.queue for message in inspect.messages(directory)}


async def _until(rooms: Rooms) -> None:
    while not (rooms.taken or rooms.returned or any(is_note(event) for event in rooms.events)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await rooms.partitions.live(QueueId(0, 1))


def attributes(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [name for name, _ in pairs]


def test_a_requeued_message_comes_in_under_a_new_id(tmp_path: Path) -> None:
    rooms, old, queues = requeued(tmp_path)
    ((envelope, content),) = rooms.taken
    assert old not in queues and len(queues) == 1
    picked = rooms.events[0]
    assert picked == PickedUp("pickup", str(*queues), os.geteuid(), "a@client.test", str(old))
    assert content.startswith(f"Received: by mail.test (Gatepost, from userid {os.geteuid()})\r\n".encode())
    assert content.endswith(b"Subject: x\r\n\r\nx\r\n")
    assert envelope.recipients == ENVELOPE.recipients


@pytest.mark.parametrize(
    ("cls", "returned", "queue"), [(Class.PERMANENT, ["b@remote.test", "c@other.test"], None), (Class.TEMPORARY, [], "maildrop")]
)
def test_what_cleanup_refuses(tmp_path: Path, cls: Class, returned: list[str], queue: str | None) -> None:
    rooms, old, queues = requeued(tmp_path, Outcome(cls, f"{cls}.7.1", "no"))
    assert rooms.returned == returned
    assert queues.get(old) == queue


def test_the_envelope_that_a_message_comes_in_with_anew() -> None:
    old = QueueId(1_800_000_000_000_000, 1)
    left = (QueuedRecipient(1, ENVELOPE.recipients[1]),)
    message = ActiveMessage(old, ENVELOPE, MemoryContent(b""), 0, left)
    envelope = anew(message, "new:filter")
    assert envelope.recipients == ENVELOPE.recipients[1:]
    assert (envelope.content_filter, envelope.redirect, envelope.hold) == ("new:filter", "", False)
    assert envelope.attribute("log_ident") == str(old)
    assert attributes(envelope.attributes) == ["log_ident", "rewrite_context", "log_client_name", "trace_flags"]
    spent = ActiveMessage(old, envelope, MemoryContent(b""), 0, left, traced=True)
    assert attributes(anew(spent, "").attributes) == ["log_ident", "rewrite_context", "log_client_name"]


def test_what_breaks_is_put_on_hold(tmp_path: Path) -> None:
    rooms, identity, queues = requeued(tmp_path, KeyError("boom"))
    assert queues == {identity: "hold"}
    assert rooms.taken == []
    warnings = [text_of(event) for event in rooms.events if is_note(event) and severity(event) == "warning"]
    assert warnings == [f"{identity}: KeyError: 'boom': put on hold"]
