"""Where the log goes: `maillog_file`, standard output (`/dev/stdout`), or syslog; as Postfix's lines or as JSON lines.

Opened once by the supervisor, with its rights; every child writes to the inherited descriptor. A worker gathers lines
for some milliseconds and writes them at once, so that seven lines a message cost less than one write; that much a crash loses.
"""

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
from gatepost.events.maillog import Stamp, words
from gatepost.events.records import Emit, Event, Note
from gatepost.mail.ascii_text import SPACE, elements, upper
from gatepost.service.master.directories import weakest
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

    maillog_file: str
    maillog_file_prefixes: str
    maillog_format: str
    myhostname: str
    syslog_facility: str
    syslog_name: str


class Log:
    """The log of one mail system, shared by all its processes."""

    def __init__(self, configuration: Configuration, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._pending: list[str] = []
        self._descriptor = -1
        self._syslog: socket.socket | None = None
        self._on_first: Callable[[], object] | None = None
        self.reopen(configuration)

    def gather(self, on_first: Callable[[], object]) -> None:
        """Call `on_first` from now on when a line is added to an empty buffer: a worker schedules `flush` for soon. What waits
        already is written, or no line would ever be the first."""
        self._on_first = on_first
        self.flush()

    def reopen(self, configuration: Configuration) -> None:
        """Open what `configuration` names; at a reload this follows a rotated file. Raises OSError and ConfigurationError, and then
        the log is what it was."""
        settings = configuration.view(LogSettings)
        _check(configuration, settings)
        before, self._descriptor = self._descriptor, _open(settings.maillog_file)
        self._settings = settings
        self._stamp = Stamp(settings.myhostname.partition(".")[0])  # as postlogd(8) writes it, and not the kernel's name
        self._facility: int = getattr(syslog, f"LOG_{upper(settings.syslog_facility)}")
        if before > 2:
            os.close(before)
        self._syslog = None if settings.maillog_file else _open_syslog()
        self.emit = self.emitter(settings.syslog_name)

    def apart(self) -> "Log":
        """The same log with a buffer of its own, for whoever tells from another thread, or when the process is about to end."""
        other = copy.copy(self)
        other._pending, other._on_first = [], None
        other.emit = other.emitter(self._settings.syslog_name)
        return other

    def emitter(self, syslog_name: str) -> Emit:
        """How a service tells what happens; `syslog_name` as configured for that service (`postfix`, `postfix/submission`)."""
        add = self._add
        if self._settings.maillog_format == "json":

            def emit_json(event: Event) -> None:
                add(json_lines.line(event, time=self._now(), process=f"{syslog_name}/{event.service}", pid=_process()), "")

            return emit_json

        def emit(event: Event) -> None:
            head = self._stamp.at(self._now()) if self._syslog is None else ""
            process = f"{syslog_name}/{event.service}" if event.service else syslog_name
            add(f"{head} {process}[{_process()}]: {words(event)}\n", event.severity if type(event) is Note else "")

        return emit

    def _add(self, line: str, severity: str) -> None:
        if self._syslog is not None:
            self._send(line, severity)
            return
        self._pending.append(line)
        if len(self._pending) == 1 and self._on_first:
            self._on_first()

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
        """Write what was gathered. A full disk must not stop mail: the lines are lost, and said so on stderr."""
        if not self._pending:
            return
        lines, self._pending = self._pending, []
        try:
            os.write(self._descriptor, "".join(lines).encode("utf-8", "replace"))
        except OSError as error:
            sys.stderr.write(f"gatepost: warning: {len(lines)} log lines lost: {error.strerror}\n")


def _check(configuration: Configuration, settings: LogSettings) -> None:
    """Raise ConfigurationError where the log may not go, or not under that facility."""
    if settings.syslog_facility.lower() not in _FACILITIES:
        told, remedy = f"unknown syslog_facility: {settings.syslog_facility}", "one of: " + " ".join(sorted(_FACILITIES))
        raise ConfigurationError([configuration.fault("syslog_facility", told, remedy)])
    file, prefixes = settings.maillog_file, elements(settings.maillog_file_prefixes)
    if not configuration.is_set("maillog_file_prefixes"):
        return  # Whoever may write main.cf may name any file; only a list that somebody has made is a wish to be kept to.
    if file and file != "/dev/stderr" and not file.startswith(tuple(prefixes)):
        told = f"maillog_file value '{file}' does not match any prefix in maillog_file_prefixes"
        raise ConfigurationError([configuration.fault("maillog_file", told, "add its directory to maillog_file_prefixes")])


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
