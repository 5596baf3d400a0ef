"""showq(8), and flush(8) with it: answers users who may not read the queue's files themselves (queue/user_requests.py).

A process of its own, unprivileged; each request is served by a fork of it, so that a listing of a million messages holds up
nothing. The kernel says who asks; authorized_mailq_users and authorized_flush_users say whether they may.
"""

import contextlib
import os
import signal
import socket
import sqlite3
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.events.records import Note
from gatepost.queue import actions, flushing, inspect, listing
from gatepost.queue.user_requests import LONGEST_REQUEST, TIME_LIMIT, Kind, Refused, Request
from gatepost.service.faults import Faults
from gatepost.service.log import Log
from gatepost.service.user_lists import is_user_listed, user_name

_AT_ONCE = 20  # requests; others wait in the socket's queue
_CREDENTIALS = struct.Struct("3i")


class Inheritance(Struct, frozen=True):
    """What the supervisor leaves to this process."""

    configuration: Configuration
    listener: socket.socket
    log: Log
    faults: Faults
    ready: int


def run(inheritance: Inheritance) -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    inheritance.listener.setblocking(True)
    os.write(inheritance.ready, b"\n")
    running = 0
    while True:
        connection, _ = inheritance.listener.accept()
        running += 1
        if os.fork() == 0:
            _serve_and_end(inheritance, connection)
        connection.close()
        while running and os.waitpid(-1, 0 if running >= _AT_ONCE else os.WNOHANG) != (0, 0):
            running -= 1


def _serve_and_end(inheritance: Inheritance, connection: socket.socket) -> None:
    try:
        connection.settimeout(TIME_LIMIT)
        _serve(inheritance, connection)
    except OSError:
        pass  # the client went away, or does not read
    except Exception as fault:
        inheritance.faults.tell(fault, "a request about the queue was not answered")
    finally:
        inheritance.log.flush()
        os._exit(0)


def _serve(inheritance: Inheritance, connection: socket.socket) -> None:
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    desk = _Desk(inheritance, uid)
    with connection.makefile("rb") as source, connection.makefile("wb") as answer:
        try:
            request = msgspec.json.decode(source.readline(LONGEST_REQUEST), type=Request)
            desk.authorize(request)
        except msgspec.DecodeError as error:
            answer.write(f"malformed request: {error}\n".encode())
            return
        except Refused as refusal:
            answer.write(f"{refusal}\n".encode())
            return
        answer.write(b"\n")
        with contextlib.suppress(sqlite3.Error):  # told in the log; the listing just ends
            for block in _DO[request.kind](desk, request.argument):
                answer.write(block.encode("utf-8", "surrogateescape"))


class _Desk:
    """Serves one user."""

    def __init__(self, inheritance: Inheritance, uid: int) -> None:
        self._configuration = inheritance.configuration
        self._emit = inheritance.log.emit
        self._uid = uid
        self.queue_directory = Path(inheritance.configuration.value("queue_directory"))

    def authorize(self, request: Request) -> None:
        """Raises Refused where the user may not do that."""
        parameter, what = ("authorized_flush_users", "flush")
        if request.kind in (Kind.LIST, Kind.JSON):
            parameter, what = ("authorized_mailq_users", "view")
        if self._uid in (0, os.getuid()) or is_user_listed(self._configuration, parameter, self._uid, self._warn):
            return
        text = f"User {user_name(self._uid)}({self._uid}) is not allowed to {what} the mail queue"
        self._emit(Note("postqueue", text, "fatal"))
        raise Refused(text)

    def messages(self) -> Iterable[inspect.ListedMessage]:
        return inspect.messages(self.queue_directory, lambda path, error: self._warn(f"{path}: {error}"))

    def _warn(self, text: str) -> None:
        self._emit(Note("showq", text, "warning"))


def _list(desk: _Desk, argument: str) -> Iterable[str]:
    return listing.for_people(desk.messages())


def _list_json(desk: _Desk, argument: str) -> Iterable[str]:
    return listing.as_json(desk.messages())


def _flush(desk: _Desk, argument: str) -> Iterable[str]:
    actions.flush(desk.queue_directory)
    return ()


def _flush_message(desk: _Desk, argument: str) -> Iterable[str]:
    flushing.flush_message(desk.queue_directory, argument)
    return ()


def _flush_site(desk: _Desk, argument: str) -> Iterable[str]:
    flushing.flush_site(desk.queue_directory, argument)
    return ()


_DO: dict[Kind, Callable[[_Desk, str], Iterable[str]]] = {
    Kind.LIST: _list,
    Kind.JSON: _list_json,
    Kind.FLUSH: _flush,
    Kind.FLUSH_MESSAGE: _flush_message,
    Kind.FLUSH_SITE: _flush_site,
}
