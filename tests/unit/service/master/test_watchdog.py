"""What holds an event loop is named, and who is stuck is known: counted in looks, with a clock and states of the test's own."""

import re
import time

import pytest

from gatepost.events.records import Note
from gatepost.service.master.watchdog import Watchdog, process_state
from gatepost.service.pulse import BEAT, Heart, Pulse, place

_PID = 4711
_HEAD = "Stack (most recent call first):\n"


def _watched(limit: float, states: str = "R") -> tuple[Watchdog, Pulse]:
    given = iter(states)
    last = [states[-1]]

    def state(pid: int) -> str:
        assert pid == _PID
        last[0] = next(given, last[0])
        return last[0]

    watchdog, pulse = Watchdog(limit, state), Pulse()
    watchdog.watch(_PID, pulse)
    return watchdog, pulse


def _looks(watchdog: Watchdog, begin: int, end: int) -> list[int]:
    """The seconds at which somebody was stuck."""
    return [now for now in range(begin, end) if list(watchdog.stuck(float(now)))]


def test_a_loop_that_turns_is_left_alone() -> None:
    watchdog, pulse = _watched(5.0)
    for now in range(100, 200):
        pulse.beat(now - 1.2)
        assert not list(watchdog.stuck(float(now)))
    pulse.beat(0.0)
    watchdog.ended(_PID)


@pytest.mark.parametrize(("limit", "at"), [(3.0, [104, 107]), (5.0, [106]), (0.0, [])])
def test_a_loop_that_is_stuck(limit: float, at: list[int]) -> None:
    watchdog, pulse = _watched(limit)
    pulse.beat(100.0)
    assert _looks(watchdog, 101, 109) == at
    pulse.beat(0.0)


def test_a_loop_that_has_not_begun_or_is_over() -> None:
    watchdog, _ = _watched(2.0)
    assert _looks(watchdog, 1, 100) == []


@pytest.mark.parametrize("state", "TtD")
def test_stopped_or_waiting_for_a_disk(state: str) -> None:
    """That time does not count, and what came before it still does."""
    watchdog, pulse = _watched(5.0, "RR" + state * 100 + "R")
    pulse.beat(100.0)
    assert _looks(watchdog, 101, 204) == []
    assert _looks(watchdog, 204, 207) == [206]
    pulse.beat(0.0)


def test_a_supervisor_that_was_stopped_itself() -> None:
    """A minute that it did not see is no minute in which the worker was stuck."""
    watchdog, pulse = _watched(5.0)
    pulse.beat(100.0)
    assert _looks(watchdog, 101, 103) == []
    assert not list(watchdog.stuck(163.0))
    pulse.beat(0.0)


def test_a_late_beat_is_told_of_with_its_place() -> None:
    times, told, pulse = [100.0], [], Pulse()
    heart = Heart(pulse, told.append, clock=lambda: times[0], cpu=lambda: times[0] / 2)
    heart.look()
    told.clear()
    for when in (100.5, 101.0, 102.4):
        times[0] = when
        heart.look()
    assert told == []
    times[0] += 3.5 + BEAT
    heart.look()
    [note] = told
    assert isinstance(note, Note) and note.severity == "warning"
    assert note.text == "the event loop was held for 3.5 s (2.0 s of processor time) at a place unknown"


def test_the_place_is_found_without_the_interpreters_help() -> None:
    """A regular expression keeps the interpreter's lock: no thread of Python's could look."""
    pulse = Pulse()
    begin = time.monotonic()
    pulse.beat(begin)
    length = 22
    while pulse.place() == "a place unknown":  # how long it takes depends on the machine; each is twice the one before
        re.match(r"(a|a)*b", "a" * length)
        length += 1
    pulse.beat(0.0)
    assert re.match(
        r"(test_watchdog\.py:\d+|__init__\.py:\d+ match < test_watchdog\.py:\d+) test_the_place_is_found", pulse.place()
    )
    pulse.forget_place()
    assert pulse.place() == "a place unknown"
    pulse.close()


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        ("", "a place unknown"),
        (_HEAD + '  File "a.py", line 1 in f\n' + _HEAD + '  File "b.py", line 2 in g\n', "b.py:2 g"),
        (_HEAD + '  File "/x/a.py", line 1 in f\n  File "b.py", line 22 in g\n', "a.py:1 f < b.py:22 g"),
        (_HEAD + "  File \"\x1b[2J.py\", line 1 in f\u2028\n", "?[2J.py:1 f?"),
        (_HEAD + "  File \"a.py\", line ", "a place unknown"),
        (_HEAD + "  File \"a.py\", line 1 in f\n" * 100, " < ".join(["a.py:1 f"] * 8)),
    ],
)  # fmt: skip
def test_what_faulthandler_wrote(trace: str, told: str) -> None:
    assert place(trace) == told


def test_states() -> None:
    assert process_state(1) in "SRD"
    assert process_state(2**22 + 1) == "Z"
