"""What Bayes learns stays, is seen by whoever has it open, and can be taken back."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.filter.bayes.learning import expire, forget, teach
from gatepost.filter.bayes.lesson import Lesson, packed, unpacked
from gatepost.filter.bayes.port import Count, Learned
from gatepost.filter.bayes.store import open_memory, open_store
from gatepost.filter.teaching import Taught

A, B, C = b"aaaaa", b"bbbbb", b"ccccc"
FIRST = Lesson(b"1" * 20, 1000, frozenset((A, B)))
SECOND = Lesson(b"2" * 20, 2000, frozenset((B, C)))


def test_what_another_process_learns_is_seen_by_who_has_it_open(tmp_path: Path) -> None:
    memory = open_memory(tmp_path, make=True)
    assert memory is not None
    teaching = (
        "import sys; from pathlib import Path; from gatepost.filter.bayes.lesson import unpacked;"
        "from gatepost.filter.bayes.store import open_store; from gatepost.filter.bayes.learning import teach;"
        "teach(open_store(Path(sys.argv[1])), [(unpacked(bytes.fromhex(sys.argv[2])), True)])"
    )
    subprocess.run([sys.executable, "-c", teaching, tmp_path, packed(FIRST).hex()], check=True, timeout=60)
    assert memory.learned() == Learned(spam=1)
    assert memory.counts([A, C]) == {A: Count(1, 0, 1000)}


def test_what_is_learned(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert teach(store, [(FIRST, True), (SECOND, False)]) == Taught(learned=2)
    assert store.learned() == Learned(ham=1, spam=1)
    assert store.counts([A, B, C, b"other"]) == {A: Count(1, 0, 1000), B: Count(1, 1, 2000), C: Count(0, 1, 2000)}


def test_a_message_counts_once_and_a_correction_replaces(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    teach(store, [(FIRST, True)])
    assert teach(store, [(FIRST, True)]) == Taught(known=1)
    assert teach(store, [(FIRST, False)]) == Taught(changed=1)
    assert store.learned() == Learned(ham=1)
    assert store.counts([A]) == {A: Count(0, 1, 1000)}


def test_what_is_forgotten_leaves_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    teach(store, [(FIRST, True)])
    assert forget(store, [FIRST, SECOND]) == 1
    assert store.learned() == Learned()
    assert not list(store.tokens())


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    def lessons() -> Iterator[tuple[Lesson, bool]]:
        yield FIRST, True
        raise ValueError

    with pytest.raises(ValueError):
        teach(store, lessons())
    assert store.learned() == Learned()


def test_nothing_is_there_before_anything_is_learned(tmp_path: Path) -> None:
    assert open_memory(tmp_path) is None
    made = open_memory(tmp_path, make=True)
    assert made is not None
    assert made.learned() == Learned()


def test_the_tokens_that_were_seen_last_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.change() as change:
        for number in range(103_000):
            change.put(number.to_bytes(5), Count(1, 0, number))
    assert expire(store, 102_000) == 3_000
    assert store.counts([(2_999).to_bytes(5), (3_000).to_bytes(5)]) == {(3_000).to_bytes(5): Count(1, 0, 3_000)}
    assert expire(store, 102_000) == 0


def test_a_lesson_comes_back_as_it_was() -> None:
    assert unpacked(packed(FIRST)) == FIRST


@pytest.mark.parametrize("octets", [b"", b"x" * 23, packed(FIRST)[:-1], packed(FIRST) + b"x" * 100_001])
def test_what_is_no_lesson_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):
        unpacked(octets)
