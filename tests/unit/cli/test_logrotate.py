"""postfix logrotate: what is kept, what is compressed when, and what is refused."""

import gzip
import threading
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.cli.logrotate import RotationFailed, rotate
from gatepost.config.configuration import Configuration


def configuration(log: object, **more: str) -> Configuration:
    return CONFIGURATION.with_settings({"maillog_file": str(log), "maillog_file_rotate_suffix": "%Y", **more})


def test_what_was_is_kept_compressed(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("one\n")
    old = rotate(configuration(log), lambda: log.write_text("two\n"))
    assert gzip.open(f"{old}.gz", "rt").read() == "one\n"
    assert log.read_text() == "two\n"
    assert not old.exists()


def test_it_is_compressed_when_nobody_writes_to_it_any_more(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    writer = log.open("w")

    def finish() -> None:
        with writer:
            writer.write("last words\n")

    later = threading.Timer(0.2, finish)
    old = rotate(configuration(log), later.start)
    assert gzip.open(f"{old}.gz", "rt").read() == "last words\n"


def test_it_is_left_as_it_is_where_somebody_goes_on_writing(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    with log.open("w"), pytest.raises(RotationFailed, match="still written to"):
        rotate(configuration(log), lambda: None, patience=0.1)
    (old,) = tmp_path.iterdir()
    assert old.suffix != ".gz"


@pytest.mark.parametrize(
    ("log", "more", "told"),
    [
        ("", {}, "empty 'maillog_file' parameter value - logfile rotation failed"),
        ("/dev/stdout", {}, "not rotating '/dev/stdout'"),
        ("missing", {}, "rotation failed"),
        ("there", {"maillog_file_compressor": "false"}, "rotation failed: false"),
        ("there", {"maillog_file_compressor": "/no/such"}, "No such file"),
        ("there", {"maillog_file_rotate_suffix": "taken"}, "is there already"),
    ],
)
def test_failures(tmp_path: Path, log: str, more: dict[str, str], told: str) -> None:
    (tmp_path / "there").write_text("x\n")
    (tmp_path / "there.taken").write_text("y\n")
    path = log if log.startswith("/") or not log else tmp_path / log
    with pytest.raises(RotationFailed, match=told):
        rotate(configuration(path, **more), lambda: None)
