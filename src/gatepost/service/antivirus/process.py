"""antivirus: starts and watches clamd and freshclam. Root, with the capabilities to start them as their own users and to end them;
it reads nothing that strangers write.

A reload leaves them running; they end with the mail system.
"""

import functools
import os
import signal
from pathlib import Path
from typing import Final

from gatepost.config.configuration import ConfigurationError
from gatepost.config.loading import read
from gatepost.events.records import Note
from gatepost.service.antivirus.daemons import Daemon, DaemonFault, SuperviseSettings, daemon, make_places
from gatepost.service.antivirus.watch import Watched, watch
from gatepost.service.inheritance import Inheritance, Life
from gatepost.service.master.directories import PID, own_folder

_SIGNALS: Final = (signal.SIGTERM, signal.SIGUSR1)


def prepare(inheritance: Inheritance) -> Life:
    """A Body. What is wrong with one of them keeps no mail from being served: the log says it, and it is waited for a reload."""
    settings = inheritance.configuration.view(SuperviseSettings)
    daemons: list[Daemon] = []
    for name in settings.filter_supervise:
        try:
            one = daemon(name, settings)
            make_places(one)
            daemons.append(one)
        except (DaemonFault, OSError) as error:
            inheritance.log.emit(
                Note("antivirus", f"filter_supervise: {name} is not started: {error}; correct it, and reload", "error")
            )
    inheritance.log.flush()
    return functools.partial(_live, inheritance, tuple(daemons), Path(settings.queue_directory))


def _live(inheritance: Inheritance, daemons: tuple[Daemon, ...], queue: Path) -> None:
    """Until SIGTERM, with which they end, or SIGUSR1, after which another watches those that are still wanted."""
    log = inheritance.log
    over, heard = _told_to_end()
    os.write(inheritance.ready, b"\n")

    def tell(text: str) -> None:
        log.emit(Note("antivirus", text, "warning"))
        log.flush()

    with own_folder(queue, PID) as folder:
        programs = [Watched(one, folder, tell) for one in daemons]
        for one in programs:
            one.find()
        watch(programs, over)
        left = () if signal.SIGTERM in heard else _wanted_now(inheritance.configuration.directory)
        for one in programs:
            if one.daemon.name not in left:
                one.end()


def _wanted_now(directory: Path) -> tuple[str, ...]:
    """What filter_supervise names after a reload; all there is where that cannot be read."""
    try:
        return read(directory).view(SuperviseSettings).filter_supervise
    except (ConfigurationError, OSError):
        return ("clamd", "freshclam")


def _told_to_end() -> tuple[int, set[int]]:
    """A descriptor that becomes readable with the first of the signals, and a set in which they then are."""
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    heard: set[int] = set()

    def hear(number: int, frame: object) -> None:
        heard.add(number)
        os.write(writable, b"\n")

    for number in _SIGNALS:
        signal.signal(number, hear)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return readable, heard
