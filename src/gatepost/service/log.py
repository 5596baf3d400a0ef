"""Where the log goes: `maillog_file`, standard output (`/dev/stdout`), or syslog; as Postfix's lines or as JSON lines. Beside it
`json_log_file`, the same records as JSON lines.

Opened once by the supervisor, with its rights; every child writes to the inherited descriptor. A worker gathers lines
for some milliseconds and writes them at once, so that seven lines a message cost less than one write; that much a crash loses.
"""

import contextlib
import copy
import functools
import os
import socket
import stat
import sys
import syslog
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.events import json_lines
from gatepost.events.fan_out import fan_out
from gatepost.events.maillog import Stamp, words
from gatepost.events.records import Emit, Event, Note
from gatepost.mail.ascii_text import SPACE, elements, upper
from gatepost.service.log_lines import LogLines
from gatepost.service.path_owners import weakest
from gatepost.service.privileges import acting_as

_LEVELS = {
    "": syslog.LOG_INFO, "warning": syslog.LOG_WARNING, "error": syslog.LOG_ERR, "fatal": syslog.LOG_CRIT, "panic": syslog.LOG_CRIT,
}  # fmt: skip
_FACILITIES = frozenset(
    "auth cron daemon kern lpr mail news syslog user uucp local0 local1 local2 local3 local4 local5 local6 local7".split()  # noqa: SIM905
)


@functools.cache
def _process() -> int:
    """The number of this process; the kernel is not asked for every line."""
    return os.getpid()


os.register_at_fork(after_in_child=_process.cache_clear)


class LogSettings(msgspec.Struct, frozen=True):
    """Parameters of the log."""

    json_log_file: str
    maillog_file: str
    maillog_file_prefixes: str
    maillog_format: str
    myhostname: str
    syslog_facility: str
    syslog_name: str


class Log:
    """The log of one mail system, shared by all its processes: the mail log, and the JSON log where json_log_file names one."""

    def __init__(self, configuration: Configuration, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._files: list[LogLines] = []
        self._syslog: socket.socket | None = None
        self._on_first: Callable[[], object] | None = None
        self.reopen(configuration)

    def gather(self, on_first: Callable[[], object]) -> None:
        """Call `on_first` from now on when a line is added to an empty buffer: a worker schedules `flush` for soon. What waits
        already is written, or no line would ever be the first."""
        self._on_first = on_first
        for file in self._files:
            file.on_first = on_first
        self.flush()

    def reopen(self, configuration: Configuration) -> None:
        """Open what `configuration` names; at a reload this follows a rotated file. Raises OSError and ConfigurationError, and then
        the log is what it was."""
        settings = configuration.view(LogSettings)
        _check(configuration, settings)
        self.flush()
        before, self._files = self._files, _open_all(settings, self._on_first)
        self._settings = settings
        self._stamp = Stamp(settings.myhostname.partition(".")[0])  # as postlogd(8) writes it, and not the kernel's name
        self._facility: int = getattr(syslog, f"LOG_{upper(settings.syslog_facility)}")
        for file in before:
            file.close()
        self._syslog = None if settings.maillog_file else _open_syslog()
        self.emit = self.emitter(settings.syslog_name)

    def apart(self) -> "Log":
        """The same log with a buffer of its own, for whoever tells from another thread, or when the process is about to end."""
        other = copy.copy(self)
        other._files, other._on_first = [file.apart() for file in self._files], None
        other.emit = other.emitter(self._settings.syslog_name)
        return other

    def emitter(self, syslog_name: str) -> Emit:
        """How a service tells what happens; `syslog_name` as configured for that service (`postfix`, `postfix/submission`)."""
        mail_log, *others = self._files
        as_json = self._settings.maillog_format == "json"
        first = self._json(syslog_name, mail_log) if as_json else self._postfix(syslog_name, mail_log)
        return fan_out([first, *(self._json(syslog_name, file) for file in others)], _say_broken)

    def _postfix(self, syslog_name: str, file: LogLines) -> Emit:
        """Postfix's lines."""

        def emit(event: Event) -> None:
            head = self._stamp.at(self._now()) if self._syslog is None else ""
            process = f"{syslog_name}/{event.service}" if event.service else syslog_name
            line = f"{head} {process}[{_process()}]: {words(event)}\n"
            if self._syslog is None:
                file.add(line)
            else:
                self._send(line, event.severity if type(event) is Note else "")

        return emit

    def _json(self, syslog_name: str, file: LogLines) -> Emit:
        """JSON lines; to syslog only as the mail log."""

        def emit(event: Event) -> None:
            process = f"{syslog_name}/{event.service}" if event.service else syslog_name
            line = json_lines.line(event, time=self._now(), process=process, pid=_process())
            if self._syslog is None or file is not self._files[0]:
                file.add(line)
            else:
                self._send(line, "")

        return emit

    def _send(self, line: str, severity: str) -> None:
        assert self._syslog is not None
        try:
            self._syslog.send(
                f"<{self._facility | _LEVELS.get(severity, syslog.LOG_INFO)}>{line.strip(SPACE)}".encode("utf-8", "replace")
            )
        except OSError:
            self._syslog.close()
            self._syslog = _open_syslog()  # the syslog daemon was restarted; this line is lost, as syslog(3) loses it

    def flush(self) -> None:
        """Write what was gathered."""
        for file in self._files:
            file.flush()


def _say_broken(fault: Exception) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"gatepost: warning: a record was not logged: {type(fault).__name__}: {fault}\n")


def _open_all(settings: LogSettings, on_first: Callable[[], object] | None) -> list[LogLines]:
    """The mail log, and the JSON log if there is one; both or none."""
    mail_log = LogLines(_open(settings.maillog_file), settings.maillog_file or "stderr", on_first)
    if not settings.json_log_file:
        return [mail_log]
    try:
        return [mail_log, LogLines(_open(settings.json_log_file), settings.json_log_file, on_first)]
    except BaseException:
        mail_log.close()
        raise


def _check(configuration: Configuration, settings: LogSettings) -> None:
    """Raise ConfigurationError where the log may not go, or not under that facility."""
    if settings.syslog_facility.lower() not in _FACILITIES:
        told, remedy = f"unknown syslog_facility: {settings.syslog_facility}", "one of: " + " ".join(sorted(_FACILITIES))
        raise ConfigurationError([configuration.fault("syslog_facility", told, remedy)])
    if not configuration.is_set("maillog_file_prefixes"):
        return  # Whoever may write main.cf may name any file; only a list that somebody has made is a wish to be kept to.
    prefixes = elements(settings.maillog_file_prefixes)
    for parameter, file in (("maillog_file", settings.maillog_file), ("json_log_file", settings.json_log_file)):
        if file and file != "/dev/stderr" and not file.startswith(tuple(prefixes)):
            told = f"{parameter} value '{file}' does not match any prefix in maillog_file_prefixes"
            raise ConfigurationError([configuration.fault(parameter, told, "add its directory to maillog_file_prefixes")])


def _open(maillog_file: str) -> int:
    if maillog_file in ("", "/dev/stderr"):
        return 2
    if maillog_file == "/dev/stdout":
        return 1
    path = Path(maillog_file)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that nobody reads must hold up nobody
    if os.geteuid() == 0 and path.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        flags |= os.O_NOFOLLOW  # others may have put a link there
    with acting_as(*weakest(path)):  # in a folder of mail_owner, say, root is to write what mail_owner could write, and no more
        return os.open(path, flags, 0o644)


def _open_syslog() -> socket.socket | None:
    """The syslog daemon's socket, None where there is no daemon: then lines go to stderr."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.connect("/dev/log")
    except OSError:
        sock.close()
        return None
    return sock
