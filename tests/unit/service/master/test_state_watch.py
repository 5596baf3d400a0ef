"""Who is ended because it was stopped while it wrote: never a stranger, and nobody for a moment's stop."""

import os
from pathlib import Path

import pytest
from tests.support.settings import default

from gatepost.service.master.state_watch import StateWatch
from gatepost.service.settings import MasterSettings

ME = os.geteuid()


def _watch(tmp_path: Path, holder: list[int], state: str = "T", owner: int | None = ME) -> StateWatch:
    (tmp_path / "state").mkdir(exist_ok=True)
    settings = default(MasterSettings, data_directory=str(tmp_path))
    return StateWatch(lambda: settings, lambda folder: holder[0], lambda pid: state, lambda pid: owner)


def test_whoever_is_stopped_at_two_looks(tmp_path: Path) -> None:
    watch = _watch(tmp_path, [7])
    assert [watch.look(), watch.look()] == [0, 7]


@pytest.mark.parametrize("state", "RSDZ")
def test_not_whoever_runs_or_waits(tmp_path: Path, state: str) -> None:
    watch = _watch(tmp_path, [7], state)
    assert [watch.look() for _ in range(5)] == [0] * 5


def test_not_for_another_or_after_a_break(tmp_path: Path) -> None:
    holder = [7]
    watch = _watch(tmp_path, holder)
    seen = []
    for holder[0] in (7, 8, 7, 0, 7):
        seen.append(watch.look())
    assert seen == [0] * 5


@pytest.mark.parametrize("owner", [ME + 1, None])
def test_nobody_elses_process(tmp_path: Path, owner: int | None) -> None:
    """Whoever has taken a worker over can have any process named, by nothing that it could not end itself."""
    watch = _watch(tmp_path, [7], owner=owner)
    assert [watch.look() for _ in range(5)] == [0] * 5


def test_where_there_is_no_store(tmp_path: Path) -> None:
    assert StateWatch(lambda: default(MasterSettings, data_directory=str(tmp_path / "none"))).look() == 0


def test_it_looks_where_the_store_is_now(tmp_path: Path) -> None:
    """A reload may have named another directory."""
    before, after = tmp_path / "before", tmp_path / "after"
    for place in (before, after):
        (place / "state").mkdir(parents=True)
    current = [default(MasterSettings, data_directory=str(before))]
    looked: list[Path] = []
    watch = StateWatch(lambda: current[0], lambda folder: looked.append(folder) or 7, lambda pid: "T", lambda pid: ME)  # type: ignore[func-returns-value]
    watch.look()
    current[0] = default(MasterSettings, data_directory=str(after))
    watch.look()
    assert looked == [before / "state", after / "state"]
