"""Where the log goes: `maillog_file`, standard output (`/dev/stdout`), or syslog; as Postfix's lines or as JSON lines. Beside it
`json_log_file`, the same records as JSON lines.

Opened once by the supervisor, with its rights; every child writes to the inherited descriptor. A worker gathers lines
for some milliseconds and writes them at once, so that seven lines a message cost less than one write; that much a crash loses.
No sink is waited for (log_sinks.py, log_lines.py).
"""

import contextlib
import copy
import functools
import os
import syslog
import time
import weakref
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.events import json_lines
from gatepost.events.fan_out import fan_out
from gatepost.events.maillog import LineForm, Stamp, seconds_with, severity, words
from gatepost.events.records import Emit, Event, LinesLost
from gatepost.mail.address import AS_LOGGED
from gatepost.mail.ascii_text import SPACE, elements, upper
from gatepost.service.log_lines import Later, LogLines
from gatepost.service.log_sinks import Sink, SyslogSink, open_file

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


class LogSettings(Struct, frozen=True):
    """Parameters of the log."""

    delay_logging_resolution_limit: int
    info_log_address_format: str
    json_log_file: str
    maillog_file: str
    maillog_file_permissions: str
    maillog_file_prefixes: str
    maillog_format: str
    myhostname: str
    syslog_facility: str
    syslog_name: str


class _Way(Struct, frozen=True):
    """Lines of one form to one sink.

    - `render`: makes the line of an event, for a service with this syslog_name; empty where the form has no words for it.
    - `in_json`: records as they are.
    """

    lines: LogLines
    render: Callable[[Event, str], str]
    in_json: bool


class Log:
    """The log of one mail system, shared by all its processes: the mail log, and the JSON log where json_log_file names one.
    `patience`: seconds that a flush may wait for a slow reader, PATIENCE for a tool; a daemon has none."""

    PATIENCE: Final = 5.0

    def __init__(self, configuration: Configuration, now: Callable[[], float] = time.time, patience: float = 0.0) -> None:
        self._now = now
        self._patience = patience
        self._stderr = open_file("/dev/stderr")
        self._ways: list[_Way] = []
        self._later: Later | None = None
        self.reopen(configuration)
        _LOGS.add(self)

    def gather(self, later: Later) -> None:
        """Flush by itself from now on, a moment after each line, by `later`: an event loop's `call_later`. What waits already is
        written."""
        self._later = later
        for way in self._ways:
            way.lines.gather(later)
        self.flush()

    def reopen(self, configuration: Configuration) -> None:
        """Open what `configuration` names; at a reload this follows a rotated file. Raises OSError and ConfigurationError, and then
        the log is what it was."""
        settings = configuration.view(LogSettings)
        _check(configuration, settings)
        self.flush()
        sinks = _open_all(settings)
        self._settings = settings
        self._form = LineForm(seconds_with(settings.delay_logging_resolution_limit), AS_LOGGED[settings.info_log_address_format])
        self._stamp = Stamp(settings.myhostname.partition(".")[0])  # as postlogd(8) writes it, and not the kernel's name
        self._facility: int = getattr(syslog, f"LOG_{upper(settings.syslog_facility)}")
        before, self._ways = self._ways, [self._way(sink, is_first=sink is sinks[0]) for sink in sinks]
        self._ways[0].lines.count_lost(sum(way.lines.unwritten for way in before))
        for way in before:
            way.lines.sink.close()
        self.emit = self.emitter(settings.syslog_name)

    def _way(self, sink: Sink, *, is_first: bool) -> _Way:
        in_json = not is_first or self._settings.maillog_format == "json"
        render = self._json_line if in_json else self._maillog_line
        if isinstance(sink, SyslogSink):
            render = functools.partial(self._syslog_line, in_json=in_json)
        name = self._settings.syslog_name
        lost = lambda lines, why: render(LinesLost("", sink.name, lines, why), name)  # noqa: E731
        lines = LogLines(sink, lost, self._complain, self._patience)
        if self._later:
            lines.gather(self._later)
        return _Way(lines, render, in_json)

    def apart(self) -> "Log":
        """The same log with a buffer of its own, for whoever tells from another thread, or when the process is about to end."""
        other = copy.copy(self)
        other._ways, other._later = [_Way(way.lines.apart(), way.render, way.in_json) for way in self._ways], None
        other.emit = other.emitter(self._settings.syslog_name)
        return other

    @property
    def takes_records(self) -> bool:
        """Whether a sink wants what the mail log has no words for."""
        return any(way.in_json for way in self._ways)

    def emitter(self, syslog_name: str) -> Emit:
        """How a service tells what happens; `syslog_name` as configured for that service (`postfix`, `postfix/submission`)."""
        return fan_out([_teller(way, syslog_name) for way in self._ways], self._say_broken)

    def _maillog_line(self, event: Event, syslog_name: str) -> str:
        """Postfix's line."""
        text = words(event, self._form)
        return text and f"{self._stamp.at(self._now())} {_told_by(event, syslog_name)}[{_process()}]: {text}\n"

    def _json_line(self, event: Event, syslog_name: str) -> str:
        return json_lines.line(event, time=self._now(), process=_told_by(event, syslog_name), pid=_process())

    def _syslog_line(self, event: Event, syslog_name: str, *, in_json: bool) -> str:
        """A line after its priority (RFC 3164 §4.1.1): the daemon adds time and host."""
        priority = self._facility | _LEVELS.get("" if in_json else severity(event), syslog.LOG_INFO)
        if in_json:
            return f"<{priority}>{self._json_line(event, syslog_name)}"
        text = words(event, self._form)
        return text and f"<{priority}>{_told_by(event, syslog_name)}[{_process()}]: {text}".strip(SPACE) + "\n"

    def _complain(self, text: str) -> None:
        """What the log itself cannot say, where there may be somebody who reads it."""
        with contextlib.suppress(OSError):
            self._stderr.write(f"gatepost: warning: {text}\n".encode("utf-8", "replace"))

    def _say_broken(self, fault: Exception) -> None:
        self._complain(f"a record was not logged: {type(fault).__name__}: {fault}")

    def flush(self) -> None:
        """Write what was gathered."""
        for way in self._ways:
            way.lines.flush()

    def end(self) -> None:
        """Write what can be written: the process ends."""
        for way in self._ways:
            way.lines.flush()
            if lost := way.lines.unwritten:
                self._complain(f"{lost} log lines lost: {way.lines.sink.name}")

    def forget(self) -> None:
        """In the child of a fork: what waits is the parent's to write."""
        for way in self._ways:
            way.lines.forget()


_LOGS: "weakref.WeakSet[Log]" = weakref.WeakSet()


def _forget_all() -> None:
    for log in _LOGS:
        log.forget()


os.register_at_fork(after_in_child=_forget_all)


def _teller(way: _Way, syslog_name: str) -> Emit:
    add, render = way.lines.add, way.render

    def emit(event: Event) -> None:
        if line := render(event, syslog_name):
            add(line)

    return emit


def _told_by(event: Event, syslog_name: str) -> str:
    return f"{syslog_name}/{event.service}" if event.service else syslog_name


def _open_all(settings: LogSettings) -> list[Sink]:
    """The mail log, and the JSON log if there is one; both or none."""
    mail_log: Sink = open_file(settings.maillog_file, _permissions(settings)) if settings.maillog_file else _syslog()
    if not settings.json_log_file:
        return [mail_log]
    try:
        return [mail_log, open_file(settings.json_log_file, _permissions(settings))]
    except BaseException:
        mail_log.close()
        raise


def _syslog() -> Sink:
    """The syslog daemon, or stderr where there is none."""
    try:
        return SyslogSink()
    except OSError:
        return open_file("/dev/stderr")


def _permissions(settings: LogSettings) -> int:
    """Of log files that are made (maillog_file_permissions), as _check has found them to be."""
    return int(settings.maillog_file_permissions, 8)


def _check(configuration: Configuration, settings: LogSettings) -> None:
    """Raise ConfigurationError where the log may not go, or not under that facility."""
    if settings.syslog_facility.lower() not in _FACILITIES:
        told, remedy = f"unknown syslog_facility: {settings.syslog_facility}", "one of: " + " ".join(sorted(_FACILITIES))
        raise ConfigurationError([configuration.fault("syslog_facility", told, remedy)])
    if settings.maillog_file_permissions.zfill(4) not in ("0600", "0640", "0644"):
        told = f"bad maillog_file_permissions: {settings.maillog_file_permissions}"
        raise ConfigurationError([configuration.fault("maillog_file_permissions", told, "one of: 0600 0640 0644")])
    if not configuration.is_set("maillog_file_prefixes"):
        return  # Whoever may write main.cf may name any file; only a list that somebody has made is a wish to be kept to.
    prefixes = elements(settings.maillog_file_prefixes)
    for parameter, file in (("maillog_file", settings.maillog_file), ("json_log_file", settings.json_log_file)):
        if file and file != "/dev/stderr" and not file.startswith(tuple(prefixes)):
            told = f"{parameter} value '{file}' does not match any prefix in maillog_file_prefixes"
            raise ConfigurationError([configuration.fault(parameter, told, "add its directory to maillog_file_prefixes")])
