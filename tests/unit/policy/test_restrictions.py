"""Every case of tests/restrictions/*.in (the form is told in tests/support/restrictions.py)."""

from pathlib import Path

import pytest
from tests.support.restrictions import paragraphs, play

FOLDER = Path(__file__).parents[2] / "restrictions"
CASES = [
    pytest.param(lines, id=f"{file.stem}/{name}")
    for file in sorted(FOLDER.glob("*.in"))
    for name, lines in paragraphs(file.read_text())
]
ZONE = (FOLDER / "zone").read_text()


@pytest.mark.parametrize("lines", CASES)
def test_case(lines: list[str], tmp_path: Path) -> None:
    assert play(lines, tmp_path, ZONE) == lines
