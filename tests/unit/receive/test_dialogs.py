"""The conversations under tests/dialogs, played over a transport in memory: whole, and octet by octet."""

import asyncio
from pathlib import Path

import pytest
from tests.unit.receive.dialogue import logged, play

DIALOGS = sorted((Path(__file__).parents[2] / "dialogs").glob("*.txt"))


@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
def test_whole(path: Path) -> None:
    script = path.read_text()
    expected, came, scene = asyncio.run(play(script))
    assert came == expected
    assert scene.log == logged(script) or not logged(script)


@pytest.mark.parametrize("path", [p for p in DIALOGS if "pipelin" not in p.stem], ids=lambda path: path.stem)
def test_octet_by_octet(path: Path) -> None:
    expected, came, _ = asyncio.run(play(path.read_text(), lambda data: [data[i : i + 1] for i in range(len(data))]))
    assert came == expected
