"""What the learner learned stays and is seen by whoever has the file mapped; what was not committed never was."""

from pathlib import Path

import pytest

from gatepost.filter.learner.lesson import Lesson, packed, unpacked
from gatepost.filter.learner.store import NAME, learner, open_weights

SLOTS = ((1, 2), (3,), (), (4, 5, 6))


def test_what_is_learned_is_seen_by_who_has_it_open(tmp_path: Path) -> None:
    weights = open_weights(tmp_path, make=True)
    assert weights is not None
    with learner(tmp_path) as learning:
        learning.learn(SLOTS, spam=True)
        assert (weights.now.spam, weights.now.weights[1]) == (0, 0.0)
        learning.commit()
        assert (weights.now.ham, weights.now.spam) == (0, 1)
        assert weights.now.weights[1] > 0
        learning.learn(SLOTS, spam=False)
        learning.commit()
    assert (weights.now.ham, weights.now.spam) == (1, 1)


def test_what_was_not_committed_is_gone(tmp_path: Path) -> None:
    with learner(tmp_path) as learning:
        learning.learn(SLOTS, spam=True)
        learning.commit()
        for _ in range(50):
            learning.learn(SLOTS, spam=False)
    with learner(tmp_path) as learning:
        assert (learning.now.ham, learning.now.spam) == (0, 1)
        assert learning.now.weights[1] > 0
        learning.commit()
        assert (learning.now.ham, learning.now.spam) == (0, 1)


def test_there_is_nothing_where_nothing_was_learned(tmp_path: Path) -> None:
    assert open_weights(tmp_path) is None


def test_a_file_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"something else")
    with pytest.raises(OSError, match="not what the learner"):
        open_weights(tmp_path)
    with pytest.raises(OSError, match="not what the learner"), learner(tmp_path):
        pass
    assert (tmp_path / NAME).read_bytes() == b"something else"


def test_a_store_that_was_never_finished_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(bytes(1000))
    with learner(tmp_path) as learning:
        learning.commit()


def test_a_lesson_comes_back_as_it_was() -> None:
    lesson = Lesson(b"m" * 20, SLOTS)
    assert unpacked(packed(lesson)) == lesson


@pytest.mark.parametrize(
    "octets", [b"", b"x" * 27, packed(Lesson(b"m" * 20, SLOTS))[:-1], packed(Lesson(b"m" * 20, ((1 << 20,), (), (), ())))]
)
def test_what_is_no_lesson_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):
        unpacked(octets)
