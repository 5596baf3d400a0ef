"""Warnings that whoever sends mail could make: each once a minute, and only so many."""

from gatepost.lookup.sparing import Sparing


def test_each_once_a_minute_and_only_so_many() -> None:
    said: list[str] = []
    now = [0.0]
    sparing = Sparing(said.append, lambda: now[0])
    for _ in range(3):
        sparing.warn("a", "a")
    assert said == ["a"]
    for number in range(10_000):
        sparing.warn(number, "many")
    assert len(said) == 100
    assert len(sparing._told) <= 100
    now[0] = 61.0
    sparing.warn("a", "again")
    assert said[-1] == "again"
