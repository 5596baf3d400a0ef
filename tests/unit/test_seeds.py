"""The seeds of `make fuzz` hold: whatever once broke a core is here, and breaks it no more."""

import pytest
from tests.fuzz.__main__ import SEEDS
from tests.fuzz.cores import CORES

FILES = sorted(SEEDS.glob("*/*"))


@pytest.mark.parametrize("core", CORES)
def test_seeds(core: str) -> None:
    files = [file for file in FILES if file.parent.name == core]
    assert files, f"tests/fuzz/seeds/{core} has none"
    for file in files:
        CORES[core](file.read_bytes())


def test_every_seed_has_a_core() -> None:
    assert {file.parent.name for file in FILES} == set(CORES)
