"""Entries by their keys: as a dictionary would have them, whatever the sizes of the pieces that lie on disk meanwhile."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.lookup import sorted_runs
from gatepost.lookup.sorted_runs import Entry, SortedRuns

BATCHES = st.lists(st.lists(st.tuples(st.binary(min_size=1, max_size=2), st.binary(max_size=2)), max_size=30), max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, piece=st.integers(1, 9), chunk=st.integers(1, 4), last=st.booleans())
def test_as_a_dictionary(
    folder: Path, monkeypatch: pytest.MonkeyPatch, batches: list[list[Entry]], piece: int, chunk: int, last: bool
) -> None:
    for name, setting in {"_PIECE": piece, "_CHUNK": chunk, "_RANGE": 2}.items():
        monkeypatch.setattr(sorted_runs, name, setting)
    expected: dict[bytes, bytes] = {}
    repeated: list[bytes] = []
    told: list[bytes] = []
    runs = SortedRuns(str(folder), last=last, repeated=told.append)
    for batch in batches:
        if len(batch) % 2:
            runs.add(batch)
        else:
            for entry in batch:
                runs.add_one(entry)
        for key, value in batch:
            if key in expected and not last:
                repeated.append(key)
            else:
                expected[key] = value
    size = runs.octets
    found = [entry for entries in runs for entry in entries]
    assert found == sorted(expected.items())
    assert sorted(told) == ([] if last else sorted(repeated))
    assert size >= sum(len(key) + len(value) for key, value in found)
    assert not list(folder.iterdir()), "nothing is left on disk"


def test_a_key_that_comes_again_is_told_at_once(folder: Path) -> None:
    told: list[bytes] = []
    runs = SortedRuns(str(folder), repeated=told.append)
    runs.add([(b"a", b"1")])
    runs.add_one((b"a", b"2"))
    assert told == [b"a"]
    assert list(runs) == [[(b"a", b"1")]]
