"""Answers that count for a while, and no longer."""

from collections.abc import Iterator

import pytest

from gatepost.lookup.remembered import ROOM, Remembered


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def test_an_answer_counts_until_its_time_is_over(clock: Clock) -> None:
    known = Remembered(5, clock)
    known.keep("a", "x")
    known.keep("b", None)
    clock.now += 4.9
    assert known.get("a") == (True, "x")
    assert known.get("b") == (True, None)
    assert known.get("c") == (False, None)
    clock.now += 0.2
    assert known.get("a") == known.get("b") == (False, None)


def test_the_newest_answer_counts(clock: Clock) -> None:
    known = Remembered(5, clock)
    for answer in ("x", None, "y"):
        known.keep("a", answer)
        assert known.get("a") == (True, answer)


def test_without_a_lifetime_nothing_is_kept(clock: Clock) -> None:
    known = Remembered(0, clock)
    known.keep("a", "x")
    assert known.get("a") == (False, None)


def test_guesses_push_out_nobody_and_have_an_end(clock: Clock) -> None:
    known = Remembered(5, clock)
    known.keep("anna", "x")
    for number in range(2 * ROOM):
        known.keep(f"guess {number}", None)
    assert known.get("anna") == (True, "x")
    assert known.get("guess 0") == (False, None)
    assert known.get(f"guess {2 * ROOM - 1}") == (True, None)
    assert len(known._missing) == ROOM


def test_long_answers_are_not_kept(clock: Clock) -> None:
    known = Remembered(5, clock)
    known.keep("a", "x" * 5000)
    assert known.get("a") == (False, None)
