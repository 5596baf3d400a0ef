"""Where the log may go, and as what."""

import os
import socket
import syslog
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.config.configuration import ConfigurationError
from gatepost.events.records import Note
from gatepost.service import log
from gatepost.service.log import Log


def test_a_file_outside_its_prefixes_is_refused(tmp_path: Path) -> None:
    outside = CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log", "maillog_file_prefixes": "/var"})
    with pytest.raises(ConfigurationError, match="does not match any prefix in maillog_file_prefixes"):
        Log(outside)
    inside = CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log", "maillog_file_prefixes": f"/var, {tmp_path}"})
    kept = Log(inside)
    with pytest.raises(ConfigurationError):
        kept.reopen(outside)
    kept.emit(Note("master", "still there"))
    kept.flush()
    assert (tmp_path / "log").read_text().endswith(": still there\n")


def test_without_a_list_of_prefixes_any_file_will_do(tmp_path: Path) -> None:
    told = Log(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log"}))
    told.emit(Note("master", "here"))
    told.flush()
    assert (tmp_path / "log").read_text().endswith(": here\n")


def test_lines_name_the_host_as_myhostname_does(tmp_path: Path) -> None:
    """Its first label, as Postfix writes it, whatever the kernel is called; a reload may change it."""
    file = {"maillog_file": f"{tmp_path}/log"}
    told = Log(CONFIGURATION.with_settings({**file, "myhostname": "Mail-Host.some.example"}))
    told.emit(Note("master", "one"))
    told.flush()
    told.reopen(CONFIGURATION.with_settings({**file, "myhostname": "other"}))
    told.emit(Note("master", "two"))
    told.flush()
    assert [line.split()[3] for line in (tmp_path / "log").read_text().splitlines()] == ["Mail-Host", "other"]


@pytest.mark.parametrize(
    ("facility", "severity", "priority"),
    [
        ("mail", "", syslog.LOG_MAIL | syslog.LOG_INFO),
        ("LOCAL3", "warning", syslog.LOG_LOCAL3 | syslog.LOG_WARNING),
    ],
)
def test_facility(monkeypatch: pytest.MonkeyPatch, facility: str, severity: str, priority: int) -> None:
    ours, daemon = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(log, "_open_syslog", lambda: ours)
    told = Log(CONFIGURATION.with_settings({"syslog_facility": facility}))
    told.emit(Note("smtpd", "hello", severity))
    with ours, daemon:
        assert daemon.recv(1000).startswith(f"<{priority}>postfix/smtpd".encode())


def test_an_unknown_facility() -> None:
    with pytest.raises(ConfigurationError, match="unknown syslog_facility: post"):
        Log(CONFIGURATION.with_settings({"syslog_facility": "post"}))


def test_what_was_said_before_lines_are_gathered_holds_up_none_of_those_after_it(tmp_path: Path) -> None:
    told = Log(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log"}))
    told.emit(Note("smtpd", "while its certificates are loaded"))
    begun: list[bool] = []
    told.gather(lambda: begun.append(True))
    assert (tmp_path / "log").read_text().endswith(": while its certificates are loaded\n")
    for text in ("the first", "the second"):
        told.emit(Note("smtpd", text))
    assert begun == [True]


def test_a_pipe_that_nobody_reads_holds_up_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "log")
    piped = CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log"})
    with pytest.raises(OSError, match="No such device or address"):
        Log(piped)
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    told = Log(piped)
    for _ in range(3):
        told.emit(Note("master", "x" * 40_000))
        told.flush()
    os.close(reader)
    assert "log lines lost" in capsys.readouterr().err
