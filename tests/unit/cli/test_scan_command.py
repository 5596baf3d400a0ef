"""`gatepost scan`: messages in files, judged behind a scanner's walls."""

import json
from pathlib import Path

import pytest

from gatepost.cli import scan

RULES = """\
header LOUD Subject =~ /LOUD\\S*/
describe LOUD Loud subject
score LOUD 7
body SMALL /buy/
score SMALL 0.5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "local.cf").write_text(RULES)
    (tmp_path / "main.cf").write_text(f"filter_rules_directories = {tmp_path}/rules\ndata_directory = {tmp_path}/data\n")
    (tmp_path / "spam").write_bytes(b"Subject: LOUD\x1b[2J\n\nbuy\n")
    (tmp_path / "ham").write_bytes(b"Subject: quiet\n\nbuy\n")
    return tmp_path


def test_a_line_of_json_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main(["scan", "-c", str(folder), "--json", str(folder / "spam"), str(folder / "ham")]) == 0
    spam, ham = map(json.loads, capsys.readouterr().out.splitlines())
    assert (spam["file"], spam["score"], spam["required"], spam["action"]) == (str(folder / "spam"), 7.5, 6.31, "reject")
    assert spam["tests"][0] == {"name": "LOUD", "score": 7.0, "description": "Loud subject", "match": "LOUD\x1b[2J"}
    assert (ham["score"], ham["action"], [test["name"] for test in ham["tests"]]) == (0.5, "pass", ["SMALL"])


def test_people_read_rules_and_what_matched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a terminal would obey is not shown to it."""
    assert scan.main(["scan", "-c", str(folder), "--profile", str(folder / "spam")]) == 0
    told = capsys.readouterr().out
    assert "7.5 points, 6.31 are spam: reject" in told
    assert "LOUD?[2J" in told
    assert "rule LOUD" in told
    assert "\x1b" not in told


def test_what_cannot_be_read_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main(["scan", "-c", str(folder), str(folder / "nothing"), str(folder / "ham")]) == 66
    told = capsys.readouterr()
    assert "nothing: No such file" in told.err
    assert "0.5 points" in told.out
    assert scan.main(["scan"]) == 64
