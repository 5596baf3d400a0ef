"""ClamAV's own files: options, sizes, and the age of signatures."""

import os
from pathlib import Path

import pytest

from gatepost.filter.antivirus.clamav_files import is_set, newest, octets, parse


def test_options() -> None:
    found = parse(
        '# LocalSocket /other\nLocalSocket /run/x y\n\nUser "clamav"\nLocalSocket /second\nAlertExceedsMax yes\nForeground\n'
    )
    assert found == {"localsocket": "/run/x y", "user": "clamav", "alertexceedsmax": "yes", "foreground": ""}
    assert is_set(found, "AlertExceedsMax")
    assert not is_set(found, "Foreground")


@pytest.mark.parametrize(
    ("text", "size"), [("10M", 10 << 20), ("25m", 25 << 20), ("100K", 102400), ("5", 5), ("0", 0), ("x", None), ("", None)]
)
def test_sizes(text: str, size: int | None) -> None:
    assert octets(text) == size


def test_age(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    (tmp_path / "own.ndb").write_text("x")
    os.utime(tmp_path / "own.ndb", (5, 5))
    assert newest(tmp_path) == 5
    header = "ClamAV-VDB:07 Jul 2025 04-29 -0400:27691:2075741:90:{}:x:raynman:1751877000"
    (tmp_path / "daily.cvd").write_text(header.format("0" * 32).ljust(512))
    assert newest(tmp_path) == 1751877000
    (tmp_path / "main.cld").write_text("ClamAV-VDB:old")
    os.utime(tmp_path / "main.cld", (6, 6))
    assert newest(tmp_path) == 1751877000
