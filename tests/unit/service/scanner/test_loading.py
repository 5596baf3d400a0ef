"""The rules of a scanner and their compiled form on disk: fresh, stale, missing and spoilt."""

import os
import signal
from pathlib import Path

import pytest

from gatepost.service.filter_folder import filter_folder
from gatepost.service.scanner import loading
from gatepost.service.walls import walls

RULES = "header LOUD Subject =~ /LOUD/\n"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[tuple[str], str]:
    rules, data = tmp_path / "rules", tmp_path / "data"
    rules.mkdir()
    data.mkdir()
    (rules / "local.cf").write_text(RULES)
    return (str(rules),), str(data)


def test_without_a_cache_the_files_are_read(folders: tuple[tuple[str], str]) -> None:
    loaded = loading.load(*folders)
    assert set(loaded.ruleset.rules) == {"LOUD"}
    assert loaded.stale
    assert loaded.open() is None


def test_what_was_made_is_found(folders: tuple[tuple[str], str]) -> None:
    loading.make(*folders)
    loaded = loading.load(*folders)
    assert not loaded.stale
    assert loaded.open() is not None
    assert loaded.ruleset == loading.load(*folders).ruleset


def test_rules_that_have_changed_begin_with_the_old_ones(folders: tuple[tuple[str], str]) -> None:
    loading.make(*folders)
    (Path(folders[0][0]) / "more.cf").write_text("header NEW Subject =~ /NEW/\n")
    loaded = loading.load(*folders)
    assert loaded.stale
    assert set(loaded.ruleset.rules) == {"LOUD"}
    loading.make(*folders)
    loaded = loading.load(*folders)
    assert not loaded.stale
    assert set(loaded.ruleset.rules) == {"LOUD", "NEW"}


@pytest.mark.parametrize("spoilt", [b"", b"nonsense", b"\x93\xa1x\xc4\x01x\xc4\x01x"])
def test_what_cannot_be_read_is_made_anew(folders: tuple[tuple[str], str], spoilt: bytes) -> None:
    loading.make(*folders)
    cache = filter_folder(folders[1]) / "rules.cache"
    cache.write_bytes(spoilt)
    loaded = loading.load(*folders)
    assert loaded.stale
    assert set(loaded.ruleset.rules) == {"LOUD"}
    loading.make(*folders)
    assert not loading.load(*folders).stale


def test_the_file_is_for_its_owner_alone(folders: tuple[tuple[str], str]) -> None:
    loading.make(*folders)
    assert os.stat(filter_folder(folders[1]) / "rules.cache").st_mode & 0o077 == 0


def test_nobody_makes_it_for_a_scanner_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, held = os.pipe()

    def make(*_: object) -> None:
        os.write(held, b"begun")
        signal.sigwait([signal.SIGUSR1])

    monkeypatch.setattr(loading, "make", make)
    scanner = os.fork()
    if scanner == 0:
        try:
            loading.make_beside((), "", str)
            os.close(held)
            os.read(begun, 5)
            walls.seal(0)
        finally:
            os._exit(0)
    os.close(held)
    os.waitpid(scanner, 0)
    with open(begun, "rb") as end:
        assert end.read() == b""  # there is nobody left who holds the other end
