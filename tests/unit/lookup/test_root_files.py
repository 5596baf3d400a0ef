"""What root alone may read is taken while there are the rights to, and answers since: for every type of table that is a file."""

import os
from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.lookup import root_files
from gatepost.lookup.registry import Tables
from gatepost.lookup.table_text import read_file

TEXTS = {
    "hash": "mx.test me:pw\n",
    "lmdb": "mx.test me:pw\n",
    "texthash": "mx.test me:pw\n",
    "pcre": "/^mx\\.test$/ me:pw\n",
    "regexp": "/^mx\\.test$/ me:pw\n",
}


@pytest.fixture(autouse=True)
def of_this_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_files, "_TAKEN", {})


@pytest.mark.parametrize("kind", TEXTS)
def test_a_table_that_cannot_be_reached_any_more(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "passwords"
    file.touch(0o600)
    file.write_text(TEXTS[kind])
    root_files.take([str(file), f"{file}.lmdb"])
    file.unlink()
    assert drive(Tables(print).open(f"{kind}:{file}").lookup("mx.test")) == "me:pw"


def test_the_file_of_a_server_s_parameters(tmp_path: Path) -> None:
    file = tmp_path / "ldap.cf"
    file.touch(0o640)
    file.write_text("bind_pw = secret\n")
    root_files.take([str(file)])
    file.unlink()
    assert read_file(str(file), "ldap:x") == "bind_pw = secret\n"


def test_what_everybody_may_read_is_read_when_it_is_used(tmp_path: Path) -> None:
    """So that its changes are seen."""
    file = tmp_path / "passwords"
    file.write_text("mx.test me:pw\n")
    file.chmod(0o644)
    root_files.take([str(file)])
    assert root_files.contents(str(file)) is None


def test_what_is_no_file_keeps_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    paths = [str(tmp_path / name) for name in ("pipe", "folder", "nothing")]
    root_files.take(paths)
    assert not any(root_files.contents(path) for path in paths)


def test_what_has_changed(tmp_path: Path) -> None:
    taken, untaken, everybodys = (tmp_path / name for name in ("taken", "untaken", "everybodys"))
    for file in (taken, everybodys):
        file.write_text("1")
    taken.chmod(0o600)
    paths = [str(taken), str(untaken), str(everybodys)]
    root_files.take(paths)
    assert list(root_files.changed(paths)) == []
    os.utime(taken, ns=(1, 1))
    ((path, identity),) = root_files.changed(paths)
    assert path == str(taken)
    root_files.put(path, identity, b"2")
    assert root_files.contents(path) == b"2"
    assert list(root_files.changed(paths)) == []
    os.utime(everybodys, ns=(1, 1))
    assert list(root_files.changed(paths)) == []


@pytest.mark.parametrize("kind", ["hash", "lmdb"])
def test_a_table_follows_what_is_taken(tmp_path: Path, kind: str) -> None:
    file, now = tmp_path / "passwords", [0.0]
    file.touch(0o600)
    file.write_text("mx.test me:1\n")
    root_files.take([str(file)])
    table = Tables(print, clock=lambda: now[0]).open(f"{kind}:{file}")
    file.write_text("mx.test me:2\n")
    assert drive(table.lookup("mx.test")) == "me:1"
    os.utime(file, ns=(1, 1))
    for path, identity in root_files.changed([str(file)]):
        root_files.put(path, identity, file.read_bytes())
    now[0] += 1
    assert drive(table.lookup("mx.test")) == "me:2"
