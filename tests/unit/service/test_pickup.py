"""pickup(8): what becomes of a submission that cleanup refuses."""

import asyncio
import os
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gatepost.admission.port import Admitted
from gatepost.config.parameters import PARAMETERS
from gatepost.events.records import Delivered, Event, Note, PickedUp, tell_fault
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage
from gatepost.mail.submission import Unstorable
from gatepost.queue.port import Failure, NewMessage
from gatepost.receive import maildrop
from gatepost.service.internal_mail import UNCHECKED
from gatepost.service.pickup import Pickup

ID = QueueId(1_800_000_000_000_000, 1)
NO = Outcome(Class.PERMANENT, "5.7.1", "no bad subjects", code=550)
LATER = Outcome(Class.TEMPORARY, "4.6.0", "Alias expansion error", code=451)


class Intake:
    """A cleanup that refuses every message, and returns it where that is for good; or one that raises."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self.outcome = outcome

    def open(self, queue_id: QueueId, **_: str) -> "Intake":
        return self

    def write(self, chunk: bytes, *, plain: bool = False) -> None: ...

    def abort(self) -> None: ...

    async def admit(self, envelope: Envelope) -> Admitted:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Admitted(self.outcome, NewMessage(ID, envelope, MemoryContent(b"Subject: bad\r\n"), 14))


class _Asked(Intake):
    """One that tells with which parameters mail was handed to it."""

    def __init__(self, rooms: "Rooms", overrides: Mapping[str, str], outcome: Outcome | Exception) -> None:
        super().__init__(outcome)
        self._tell = lambda: rooms.asked.append(overrides)

    def open(self, queue_id: QueueId, **_: str) -> Intake:
        self._tell()
        return self


class Rooms:
    """As much of a worker's materials, and of its way in, as pickup looks at."""

    def __init__(self, directory: Path, outcome: Outcome | Exception, soft_bounce: bool) -> None:
        for name in ("maildrop", "corrupt", "private"):
            (directory / name).mkdir()
        self.queue_directory = directory
        self.events: list[Event] = []
        self.told = asyncio.Event()
        self.clock = lambda: ID.arrival + 1.5
        self.returned: list[tuple[str, list[str]]] = []
        self.settings = types.SimpleNamespace(myhostname="mail.test", mail_name="Gatepost")
        self.new_id = lambda: ID
        self.notices = self
        self.configuration = self
        self.fault = tell_fault("worker", self.emit)
        self._outcome = outcome
        self.asked: list[Mapping[str, str]] = []
        self._soft = soft_bounce

    def emit(self, event: Event) -> None:
        self.events.append(event)
        if not isinstance(event, PickedUp):
            self.told.set()

    def service(self, name: str) -> None: ...

    def value(self, name: str) -> str:
        return PARAMETERS[name].default

    def view(self, cls: type[Any], overrides: Mapping[str, str]) -> Any:
        return cls(content_filter="", soft_bounce=self._soft)

    def admission(self, overrides: Mapping[str, str]) -> Intake:
        return _Asked(self, overrides, self._outcome)

    async def bounced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        self.returned.append((message.envelope.sender, [failure.recipient.recipient.address for failure in failures]))


def picked_up(
    directory: Path, outcome: Outcome | Exception, *, soft_bounce: bool = False, released: bool = False, uid: int | None = None
) -> Rooms:
    rooms = Rooms(directory, outcome, soft_bounce)
    submission = maildrop.Submission("bob@b.test", (Recipient("ann@a.test"), Recipient("eve@a.test")), released=released)
    path = maildrop.write(directory / "maildrop", submission, [b"Subject: bad\r\n\r\nx\r\n"])
    if uid is not None:
        os.chown(path, uid, -1)

    async def scenario() -> None:
        runner = asyncio.create_task(Pickup(rooms, rooms).run())  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            await rooms.told.wait()
        await asyncio.sleep(0.01)
        runner.cancel()

    asyncio.run(scenario())
    return rooms


def test_what_is_refused_for_good_goes_back_to_its_sender(tmp_path: Path) -> None:
    rooms = picked_up(tmp_path, NO)
    assert rooms.returned == [("bob@b.test", ["ann@a.test", "eve@a.test"])]
    assert [type(event) for event in rooms.events] == [PickedUp, Delivered, Delivered]
    assert rooms.events[1] == Delivered(
        "cleanup", str(ID), "ann@a.test", "", "none", 1.5, (1.5, 0.0, 0.0, 0.0), "5.7.1", "bounced", "no bad subjects"
    )
    assert maildrop.waiting(tmp_path / "maildrop") == []


@pytest.mark.parametrize(("outcome", "soft_bounce"), [(LATER, False), (NO, True)])
def test_what_is_refused_for_now_stays(tmp_path: Path, outcome: Outcome | Exception, soft_bounce: bool) -> None:
    rooms = picked_up(tmp_path, outcome, soft_bounce=soft_bounce)
    assert rooms.returned == []
    assert isinstance(rooms.events[1], Note)
    assert len(maildrop.waiting(tmp_path / "maildrop")) == 1


FAULTS = [(UnicodeEncodeError("utf-8", "x", 0, 1, "why"), 1), (Unstorable("x"), 0), (KeyError(1), 1)]


@pytest.mark.parametrize(("fault", "panics"), FAULTS)
def test_what_breaks_is_set_aside_with_a_line_and_the_next_one_has_its_turn(tmp_path: Path, fault: Exception, panics: int) -> None:
    rooms = Rooms(tmp_path, fault, soft_bounce=False)
    paths = [maildrop.write(tmp_path / "maildrop", maildrop.Submission("bob@b.test"), [b"x\r\n"]) for _ in range(3)]

    async def scenario() -> None:
        runner = asyncio.create_task(Pickup(rooms, rooms).run())  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            while sum(isinstance(event, Note) for event in rooms.events) < 3 * (1 + panics):
                rooms.told.clear()
                await rooms.told.wait()
        assert not runner.done()
        runner.cancel()

    asyncio.run(scenario())
    notes = [event for event in rooms.events if isinstance(event, Note)]
    assert sum(note.severity == "panic" for note in notes) == panics * 3
    for path in paths:
        assert (tmp_path / "corrupt" / path.name).exists()
        assert sum(f"{path.name}: " in note.text and note.severity == "warning" for note in notes) == 1


def test_what_cannot_be_removed_is_taken_in_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither unlinked nor moved away: it stays where it is, and is not looked at again."""

    def not_permitted(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", not_permitted)
    monkeypatch.setattr(Path, "rename", not_permitted)
    rooms = picked_up(tmp_path, NO)
    assert len(rooms.returned) == 1
    assert any("taken in, but not removed" in event.text for event in rooms.events if isinstance(event, Note))
    assert len(maildrop.waiting(tmp_path / "maildrop")) == 1


def test_many_files_that_are_none_leave_others_their_turn(tmp_path: Path) -> None:
    """Anybody may make thousands of folders there: no file moves them all before anything else is done."""
    rooms = Rooms(tmp_path, NO, soft_bounce=False)
    for number in range(200):
        (tmp_path / "maildrop" / f"{number}.msg").mkdir()
    turns = 0

    async def scenario() -> None:
        nonlocal turns
        runner = asyncio.create_task(Pickup(rooms, rooms).run())  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            await rooms.told.wait()
            while len(rooms.events) < 200:
                turns += 1
                await asyncio.sleep(0)
        runner.cancel()

    asyncio.run(scenario())
    assert turns > 90  # in one look there are 100


def test_a_folder_that_cannot_leave_is_not_looked_at_again(tmp_path: Path) -> None:
    """As that of another user, where only its name is ours to change."""
    rooms = Rooms(tmp_path, NO, soft_bounce=False)
    (tmp_path / "corrupt").rmdir()
    (tmp_path / "maildrop" / "1.msg").mkdir()

    async def scenario() -> None:
        runner = asyncio.create_task(Pickup(rooms, rooms).run())  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            await rooms.told.wait()
        runner.cancel()

    asyncio.run(scenario())
    assert maildrop.waiting(tmp_path / "maildrop") == []
    [left] = (tmp_path / "maildrop").iterdir()
    assert f"set aside as maildrop/{left.name}" in str(rooms.events)


def test_what_the_quarantine_has_released_is_not_looked_into_again(tmp_path: Path) -> None:
    assert picked_up(tmp_path, NO, released=True).asked == [UNCHECKED]


def test_nobody_else_can_say_so(tmp_path: Path) -> None:
    assert picked_up(tmp_path, NO, released=True, uid=12345).asked == [{}]
