"""`gatepost learn`: how it is called, and which messages it finds."""

import os
from pathlib import Path

import pytest

from gatepost.cli.learn import parsed
from gatepost.cli.mail_files import messages


def test_both_kinds_are_named_in_one_call() -> None:
    assert parsed(["-c", "conf", "--spam", "a", "b", "--ham", "-"]) == ("conf", "learn", {"--spam": ["a", "b"], "--ham": ["-"]})
    assert parsed(["--import", "dump"]) == (None, "import", {"--import": ["dump"]})
    assert parsed(["--status"]) == (None, "status", {"--status": []})


@pytest.mark.parametrize(
    "line",
    ["", "-c", "a", "--spam", "--spam a --ham", "--status a", "--import a b", "--spam a --status", "--spam --other"],
)
def test_wrong_calls(line: str) -> None:
    with pytest.raises(ValueError):
        parsed(line.split())


def test_a_file_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"Subject: a\n\nFrom here\n")
    assert list(messages(str(tmp_path / "one"))) == [b"Subject: a\n\nFrom here\n"]


def test_an_mbox_is_cut(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(b"From a Mon\nA: 1\n\nFrom within\nFrom: x\n\n\nFrom b Tue\nB: 2\n\ntext\n")
    assert list(messages(str(tmp_path / "box"))) == [b"A: 1\n\n", b"From: x\n\n\n", b"B: 2\n\ntext\n"]


def test_a_maildir_and_what_lies_in_folders(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp", ".Junk/cur", ".Junk/new"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("cur/1", "new/2", "tmp/3", ".Junk/cur/4", "dovecot.index"):
        (tmp_path / name).write_bytes(f"Name: {name}\n\n".encode())
    (tmp_path / "cur" / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "cur" / "pipe")
    assert sorted(messages(str(tmp_path))) == [b"Name: .Junk/cur/4\n\n", b"Name: cur/1\n\n", b"Name: new/2\n\n"]


def test_what_is_empty_is_no_message(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    assert list(messages(str(tmp_path))) == []
