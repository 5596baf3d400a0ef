"""Programs that are kept running: started, heard of when they end, and taken over by the next who watches them."""

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.service.antivirus.daemons import Daemon
from gatepost.service.antivirus.watch import LONGEST_PAUSE, Watched

SLEEP = ("/bin/sleep", "1000")


def daemon(*argv: str, digest: str = "one") -> Daemon:
    return Daemon("clamd", argv, os.getuid(), os.getgid(), digest, ())


class Room:
    """A folder for numbers, and what was told."""

    def __init__(self, path: Path) -> None:
        self.folder = os.open(path, os.O_DIRECTORY)
        self.path = path
        self.told: list[str] = []
        self.made: list[Watched] = []

    def watched(self, one: Daemon) -> Watched:
        self.made.append(Watched(one, self.folder, self.told.append))
        return self.made[-1]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    for one in made.made:
        one.end()
    os.close(made.folder)


def over(one: Watched, seconds: float = 10) -> bool:
    assert one.descriptor is not None
    return bool(select.select([one.descriptor], [], [], seconds)[0])


def test_it_runs_until_it_is_ended(room: Room) -> None:
    one = room.watched(daemon(*SLEEP))
    one.start()
    assert not over(one, 0)
    descriptor = os.dup(one.descriptor or 0)
    one.end()
    assert select.select([descriptor], [], [], 10)[0]
    assert (one.descriptor, list(room.path.iterdir())) == (None, [])
    os.close(descriptor)


def test_pauses_grow_while_it_ends_at_once(room: Room) -> None:
    one = room.watched(daemon("/bin/sh", "-c", "exit 3"))
    pauses = []
    for _ in range(8):
        before = one.due
        one.start()
        assert over(one)
        one.ended()
        pauses.append(one.due - before)
    assert "has ended with status 3" in room.told[0]
    assert [text.partition("again in ")[2].partition(" s")[0] for text in room.told] == ["1", "2", "4", "8", "16", "32", "60", "60"]
    assert max(pauses) < LONGEST_PAUSE + 5


def test_it_is_told_why(room: Room) -> None:
    one = room.watched(daemon("/bin/sh", "-c", "echo first >&2; echo ERROR: no such user >&2; exit 1"))
    one.start()
    assert over(one)
    one.ended()
    assert room.told == ["clamd: has ended with status 1: started again in 1 s; it said: ERROR: no such user"]


def test_many_words_do_not_hold_it_up(room: Room) -> None:
    one = room.watched(
        daemon("/bin/sh", "-c", "for i in $(seq 9999); do echo a long line of words $i; done >&2 2>/dev/null; exit 5")
    )
    one.start()
    assert over(one)
    one.ended()
    assert "has ended with status" in room.told[0]


def test_what_cannot_be_started_is_tried_again(room: Room) -> None:
    one = room.watched(daemon("/nowhere/clamd"))
    due = one.due
    one.start()
    assert one.descriptor is None
    assert one.due > due
    assert "cannot be started: [Errno 2]" in room.told[0]


def test_the_next_watcher_takes_it_over(room: Room) -> None:
    first = room.watched(daemon(*SLEEP))
    first.start()
    second = room.watched(daemon(*SLEEP))
    second.find()
    assert second.descriptor is not None
    assert room.told == []
    os.kill(first._process.pid if first._process else 0, signal.SIGKILL)
    assert over(second)


def test_another_configuration_ends_it(room: Room) -> None:
    first = room.watched(daemon(*SLEEP))
    first.start()
    second = room.watched(daemon(*SLEEP, digest="other"))
    second.find()
    assert over(second)
    assert "its configuration has changed" in room.told[0]


@pytest.mark.parametrize(
    "text", ["", "{", '{"pid": 1, "began": 0, "digest": "one"}', '{"pid": 999999999, "began": 7, "digest": "one"}']
)
def test_a_number_that_is_not_its_own_is_left_alone(room: Room, text: str) -> None:
    (room.path / "clamd").write_text(text)
    one = room.watched(daemon(*SLEEP))
    one.find()
    assert one.descriptor is None
