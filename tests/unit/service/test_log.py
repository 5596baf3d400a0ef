"""Where the log may go, and as what."""

import json
import os
import socket
import stat
import subprocess
import sys
import syslog
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.config.configuration import ConfigurationError
from gatepost.events.records import Event, Judged, Note
from gatepost.mail.reason import Reason
from gatepost.service import log
from gatepost.service.log import Log
from gatepost.service.log_lines import LINGER
from gatepost.service.log_sinks import SyslogSink


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
def test_facility(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, facility: str, severity: str, priority: int) -> None:
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind(f"{tmp_path}/socket")
    monkeypatch.setattr(log, "_syslog", lambda: SyslogSink(f"{tmp_path}/socket"))
    told = Log(CONFIGURATION.with_settings({"syslog_facility": facility}))
    told.emit(Note("smtpd", "hello", severity))
    told.flush()
    with daemon:
        assert daemon.recv(1000).startswith(f"<{priority}>postfix/smtpd".encode())


@pytest.mark.parametrize(
    ("settings", "mode"), [({}, 0o600), ({"maillog_file_permissions": "0644"}, 0o644), ({"maillog_file_permissions": "640"}, 0o640)]
)
def test_permissions_of_a_new_file(tmp_path: Path, settings: dict[str, str], mode: int) -> None:
    files = {"maillog_file": f"{tmp_path}/log", "json_log_file": f"{tmp_path}/json"}
    told = Log(CONFIGURATION.with_settings({**files, **settings}))
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("log", "json")] == [mode, mode]
    (tmp_path / "log").chmod(0o604)
    told.reopen(CONFIGURATION.with_settings({**files, **settings}))
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o604  # what is there already is not changed


def test_unsafe_permissions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="bad maillog_file_permissions: 0666"):
        Log(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log", "maillog_file_permissions": "0666"}))


def test_an_unknown_facility() -> None:
    with pytest.raises(ConfigurationError, match="unknown syslog_facility: post"):
        Log(CONFIGURATION.with_settings({"syslog_facility": "post"}))


def test_what_was_said_before_lines_are_gathered_holds_up_none_of_those_after_it(tmp_path: Path) -> None:
    told = Log(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log"}))
    told.emit(Note("smtpd", "while its certificates are loaded"))
    begun: list[float] = []
    told.gather(lambda seconds, then: begun.append(seconds))
    assert (tmp_path / "log").read_text().endswith(": while its certificates are loaded\n")
    for text in ("the first", "the second"):
        told.emit(Note("smtpd", text))
    assert begun == [LINGER]


def test_a_pipe_that_nobody_reads_holds_up_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
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
    told.end()
    complained, lost = capfd.readouterr().err.splitlines()
    assert complained.endswith(f"log lines wait, and are lost if that lasts: {tmp_path}/log: nobody reads it")
    assert lost == f"gatepost: warning: 2 log lines lost: {tmp_path}/log"


REFUSED = Judged("smtpd", "", "reject", "RCPT", "c[192.0.2.1]", "554 5.7.1 no", "from=<>", Reason("reject", "t", "k", "because"))


def test_the_json_log_has_the_same_records_beside_the_mail_log(tmp_path: Path) -> None:
    files = {"maillog_file": f"{tmp_path}/log", "json_log_file": f"{tmp_path}/json"}
    told = Log(CONFIGURATION.with_settings(files))
    told.emitter("postfix/submission")(REFUSED)
    told.flush()
    assert (tmp_path / "log").read_text().endswith("NOQUEUE: reject: RCPT from c[192.0.2.1]: 554 5.7.1 no; from=<>\n")
    record = json.loads((tmp_path / "json").read_text())
    assert (record["process"], record["type"]) == ("postfix/submission/smtpd", "Judged")
    assert [record[name] for name in ("rule", "table", "key", "reason")] == ["reject", "t", "k", "because"]


def test_the_json_log_follows_a_rotation_and_ends_with_its_parameter(tmp_path: Path) -> None:
    files = {"maillog_file": f"{tmp_path}/log", "json_log_file": f"{tmp_path}/json"}
    both = CONFIGURATION.with_settings(files)
    told = Log(both)
    told.emit(REFUSED)
    (tmp_path / "json").rename(tmp_path / "json.1")
    told.reopen(both)
    told.emit(REFUSED)
    told.reopen(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log"}))
    told.emit(REFUSED)
    told.flush()
    assert [(tmp_path / name).read_text().count("\n") for name in ("json.1", "json", "log")] == [1, 1, 3]


def test_a_json_log_that_cannot_be_opened_is_refused_and_the_log_is_what_it_was(tmp_path: Path) -> None:
    told = Log(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log"}))
    open_files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No such file"):
        told.reopen(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/other", "json_log_file": f"{tmp_path}/no/json"}))
    with pytest.raises(ConfigurationError, match="json_log_file value"):
        told.reopen(CONFIGURATION.with_settings({"json_log_file": "/etc/json", "maillog_file_prefixes": "/var"}))
    assert len(os.listdir("/proc/self/fd")) == open_files
    told.emit(REFUSED)
    told.flush()
    assert (tmp_path / "log").read_text().count("\n") == 1


@pytest.mark.parametrize("broken", ["maillog_file", "json_log_file"])
def test_a_log_on_a_full_disk_does_not_harm_the_other(broken: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = {"maillog_file": f"{tmp_path}/log", "json_log_file": f"{tmp_path}/log", broken: "/dev/full"}
    told = Log(CONFIGURATION.with_settings(files))
    told.emit(REFUSED)
    told.flush()
    assert (tmp_path / "log").read_text().count("\n") == 1
    assert "log lines wait, and are lost if that lasts: /dev/full: No space left on device" in capfd.readouterr().err


def test_a_record_that_cannot_be_said_harms_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = {"maillog_file": f"{tmp_path}/log", "json_log_file": f"{tmp_path}/json"}
    told = Log(CONFIGURATION.with_settings(files))
    told.emit(Event("smtpd"))  # of no kind that has words
    told.flush()
    assert (tmp_path / "log").read_text() == ""
    assert json.loads((tmp_path / "json").read_text())["type"] == "Event"
    assert "a record was not logged: KeyError" in capfd.readouterr().err


@pytest.mark.parametrize("form", ["postfix", "json"])
def test_the_log_itself_says_what_it_has_lost(form: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    told = Log(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log", "maillog_format": form}))
    for _ in range(30):
        told.emit(Note("master", "x" * 65_000))
        told.flush()
    heard = b""
    for _ in range(50):
        try:
            heard += os.read(reader, 1 << 20)
        except BlockingIOError:
            break
        told.flush()
    os.close(reader)
    said = heard.decode().splitlines()[-1]
    lost = 30 - (heard.count(b"\n") - 1)
    if form == "json":
        record = json.loads(said)
        assert (record["type"], record["lines"], record["file"]) == ("LinesLost", lost, f"{tmp_path}/log")
    else:
        assert said.endswith(f": warning: {lost} log lines lost: {tmp_path}/log: nobody reads it")


def test_a_child_says_nothing_of_what_its_parent_has_yet_to_write(tmp_path: Path) -> None:
    told = Log(CONFIGURATION.with_settings({"maillog_file": f"{tmp_path}/log"}))
    told.emit(Note("master", "the parent's"))
    child = os.fork()
    if not child:
        told.flush()
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "log").read_text() == ""
    told.flush()
    assert (tmp_path / "log").read_text().count("\n") == 1


def test_standard_output_is_never_waited_for_and_left_as_it_is(tmp_path: Path) -> None:
    """A pipe that nobody reads, which a shell, say, goes on to use; in a process of its own, whose standard output it is."""
    reader, writer = os.pipe()
    code = (
        "from tests.support.settings import CONFIGURATION\n"
        "from gatepost.events.records import Note\n"
        "from gatepost.service.log import Log\n"
        "told = Log(CONFIGURATION.with_settings({'maillog_file': '/dev/stdout'}))\n"
        "for _ in range(300):\n"
        "    told.emit(Note('master', 'x' * 1000))\n"
        "    told.flush()\n"
    )
    subprocess.run([sys.executable, "-c", code], stdout=writer, check=True, timeout=60)
    assert os.get_blocking(writer)
    os.close(writer)
    with open(reader, encoding="utf-8") as heard:
        assert all(line.endswith("x" * 1000 + "\n") for line in heard)
