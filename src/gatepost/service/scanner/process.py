"""scanner: a process that turns messages into facts, behind walls that leave it nothing but what it has open.

It reads the rules as mail_owner, seals itself off, and then serves one connection at a time, so that what a message does to it is
done to that message alone. It ends, and another takes its place, when a message has it break or exceed a limit, when new rules
are compiled, and when it is old.
"""

import contextlib
import ctypes
import functools
import os
import select
import signal
import socket
import time
from typing import Final

from gatepost.events.records import Note
from gatepost.filter.scan import Scanner
from gatepost.service import retirement
from gatepost.service.inheritance import Inheritance, Life
from gatepost.service.learned import LearnedSettings, opened
from gatepost.service.scanner import loading, serving, warmth
from gatepost.service.scanner.client import SCANNER_SOCKET
from gatepost.service.scanner.settings import ScannerSettings
from gatepost.service.scanner.settings import limits as limits_of
from gatepost.service.walls import walls
from gatepost.state import memory

_MOST: Final = 1 << 30
"""Octets of a message: what message_size_limit leaves is the sender's, this is the scanner's."""


_OLDEST: Final = 1.25
"""Of filter_scanner_max_age."""
_LAST_MESSAGE: Final = 120.0
"""Seconds that it may be at its last message then; one that somebody has taken over does not end by itself, nor one that hangs
without computing."""


def prepare(inheritance: Inheritance) -> Life:
    """A Body: what is imported later on is imported now."""
    warmth.import_all()
    return functools.partial(_run, inheritance)


def _run(inheritance: Inheritance) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    memory.give_up()  # secrets of session tickets, and the counters of clients, are for workers
    settings = inheritance.configuration.view(ScannerSettings)
    over = retirement.descriptor()
    scanner, made = _scanner(inheritance, settings)
    _give_back_memory()
    os.write(inheritance.ready, b"\n")
    _serve(inheritance.sockets[SCANNER_SOCKET], scanner, settings, over, made)


def _scanner(inheritance: Inheritance, settings: ScannerSettings) -> tuple[Scanner, int]:
    """The scanner, behind its walls, and a descriptor that tells when rules have been compiled, -1 where none are to be."""

    def tell(text: str) -> None:
        inheritance.log.emit(Note("scanner", text, "warning"))
        inheritance.log.flush()

    where = settings.filter_rules_directories, settings.data_directory
    loaded = loading.load(*where)
    made = loading.make_beside(*where, tell) if loaded.stale else -1
    limits = limits_of(inheritance.configuration)
    learned = opened(inheritance.configuration.view(LearnedSettings), make=True)
    if walls.wanted(inheritance.configuration):
        warmth.warm(loaded, limits)
        walls.seal(settings.filter_scan_memory_limit, settings.filter_scanner_max_age * _OLDEST + _LAST_MESSAGE)
    return Scanner(loaded.ruleset, loaded.open(), limits, learned), made


def _give_back_memory() -> None:
    """What the octets of databases took: the C library keeps it for what may come (malloc_trim(3)), a third of a scanner."""
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _serve(listener: socket.socket, scanner: Scanner, settings: ScannerSettings, over: int, made: int) -> None:
    """One connection after the other, until there is a reason to end."""
    serving.arm()
    listener.setblocking(False)
    end = time.monotonic() + settings.filter_scanner_max_age * (_OLDEST - os.getpid() % 64 / 128)  # not all at once
    events = select.poll()
    for descriptor in (over, made, listener.fileno()):
        if descriptor >= 0:
            events.register(descriptor, select.POLLIN)
    while (left := end - time.monotonic()) > 0:
        ready = {descriptor for descriptor, _ in events.poll(left * 1000)}
        if over in ready or (made in ready and os.read(made, 1)):
            return
        if made in ready:
            events.unregister(made)  # it could not be made, and was told: what is there goes on
        try:
            connection, _ = listener.accept()
        except OSError:
            continue  # somebody else was faster, or the worker has gone again
        with connection:
            try:
                serving.serve(connection, scanner.scan, settings.filter_scan_time_limit, _MOST)
            except OSError:
                continue  # the worker knows
