"""`gatepost quarantine` as an administrator calls it."""

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

from gatepost.cli import COMMANDS, quarantine
from gatepost.filter.quarantine.port import Entry
from gatepost.filter.quarantine.store import QuarantineFolder
from gatepost.receive import maildrop

MAIL = b"Subject: hello\r\n\r\nx\x1b[2J\r\n"


def _kept(path: Path, kind: str = "virus") -> str:
    entry = Entry(
        kind=kind,
        reason="Eicar\x1b[2J",
        sender="a@b.test",
        recipients=("c@d.test", "e@d.test"),
        time=1.8e9,
        subject="hello",
        size=9,
    )
    return QuarantineFolder(path / "data").write(entry, (MAIL,))


def _call(path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    for folder in ("data", "queue/maildrop"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    (path / "main.cf").write_text(f"mail_owner = root\nqueue_directory = {path}/queue\ndata_directory = {path}/data\n")
    command = [sys.executable, "-m", "gatepost.cli", "quarantine", "-c", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_from_a_message_to_none(tmp_path: Path) -> None:
    assert _call(tmp_path, "list").stdout == ""
    first, second = _kept(tmp_path), _kept(tmp_path, "spam")
    listed = _call(tmp_path, "list").stdout
    assert (listed.count("\n"), first in listed, second in listed, "\x1b" in listed) == (2, True, True, False)
    assert json.loads(_call(tmp_path, "list", "-j", "--kind", "spam").stdout)["id"] == second
    shown = _call(tmp_path, "show", first).stdout
    assert "Recipients:  c@d.test, e@d.test\n" in shown
    assert shown.endswith("\n\nSubject: hello\n\nx\x1b[2J\n")  # as it is, into a pipe
    assert _call(tmp_path, "delete", first).returncode == 0
    assert _call(tmp_path, "delete", first).returncode == 1
    assert _call(tmp_path, "delete", "--older", "1").returncode == 0
    assert _call(tmp_path, "list").stdout.count("\n") == 1
    assert _call(tmp_path, "delete").returncode == 64


def test_release(tmp_path: Path) -> None:
    _call(tmp_path, "list")
    first, second = _kept(tmp_path), _kept(tmp_path)
    assert _call(tmp_path, "release", first).returncode == 0
    assert _call(tmp_path, "release", "--to", "abuse@d.test", second).returncode == 0
    to = []
    for path in maildrop.waiting(tmp_path / "queue/maildrop"):
        with maildrop.opened(path) as waiting:
            assert (waiting.submission.sender, waiting.submission.released, b"".join(waiting.chunks())) == ("a@b.test", True, MAIL)
            to.append([recipient.address for recipient in waiting.submission.recipients])
    assert sorted(to) == [["abuse@d.test"], ["c@d.test", "e@d.test"]]
    assert QuarantineFolder(tmp_path / "data").names() == []


def test_learn_reads_as_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gatepost learn` itself has tests of its own: here it is one that tells what it is given."""
    told: list[tuple[list[str], bytes]] = []
    fake = types.ModuleType("gatepost.cli.learned_by_a_test")
    fake.main = lambda argv: told.append((argv[3:4], Path(argv[4]).read_bytes())) or 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    monkeypatch.setitem(COMMANDS, "learn", ("learned_by_a_test", ""))
    _call(tmp_path, "list")
    name = _kept(tmp_path)
    assert quarantine.main(["quarantine", "-c", str(tmp_path), "learn", "--ham", name]) == 7
    assert told == [(["--ham"], MAIL)]
    assert quarantine.main(["quarantine", "-c", str(tmp_path), "learn", "--ham", name[:-1] + "x"]) == 1
    assert quarantine.main(["quarantine", "-c", str(tmp_path), "learn", name]) == 64


def test_a_message_commands_no_terminal() -> None:
    """Neither by controls of one octet, nor by those that UTF-8 has in two, wherever they are cut."""
    said = b"".join(quarantine.shown((b"a\x1b[2J\r\n\xc2", b"\x9b2Jb\tc \xc3\xa4\xff\n")))
    assert said.decode() == "a?[2J\n?2Jb    c ä\ufffd\n"
