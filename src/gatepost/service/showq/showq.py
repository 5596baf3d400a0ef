"""showq(8), and flush(8) with it: a process of its own, unprivileged, that answers users who may not read the queue's files
themselves (queue/user_requests.py).

Each request is served by a fork, so that a listing of a million messages holds up nothing; whoever does not read is given up by
its deadline. A user has a few slots (user_slots.py) and takes none from others. What is answered stands in user_desk.py.
"""

import contextlib
import functools
import os
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from gatepost.events.records import Note
from gatepost.queue.user_requests import FLUSH, SHOWQ
from gatepost.service import retirement
from gatepost.service.inheritance import Inheritance, Life
from gatepost.service.showq import user_desk
from gatepost.service.showq.user_slots import UserSlots

_AT_ONCE, _OF_ONE_USER = 40, 4  # requests that are served
_IN_LINE, _WAITING = 20, 200  # requests of one user, and of all, that wait; others are turned away
_PATIENCE = 10.0  # seconds for a client to read or to write something
_LONGEST = 300  # seconds for a request: more than a million messages take
_PAUSE = 0.1  # seconds after a failure to accept
_CREDENTIALS = struct.Struct("3i")

Answer = Callable[[user_desk.Desk, socket.socket], None]


class _Request(NamedTuple):
    connection: socket.socket
    answer: Answer


def prepare(inheritance: Inheritance) -> Life:
    """A Body: nothing is to be done before."""
    return functools.partial(_run, inheritance)


def _run(inheritance: Inheritance) -> None:
    """Serve until SIGTERM; after SIGUSR1 (a reload) only who has come already."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    service = _Service(inheritance)
    os.write(inheritance.ready, b"\n")
    while service.is_wanted:
        service.step()


class _Service:
    """Accepts, forks and reaps, one event after the other."""

    def __init__(self, inheritance: Inheritance) -> None:
        self._inheritance = inheritance
        self._slots: UserSlots[_Request] = UserSlots(_AT_ONCE, _OF_ONE_USER, _IN_LINE, _WAITING)
        self._events = selectors.DefaultSelector()
        self._over = retirement.descriptor()
        self._events.register(self._over, selectors.EVENT_READ, self._retire)
        for path, answer in ((SHOWQ, user_desk.list_queue), (FLUSH, user_desk.flush)):
            listener = inheritance.sockets[path]
            listener.setblocking(False)
            self._events.register(listener, selectors.EVENT_READ, lambda at=listener, answer=answer: self._accept(at, answer))

    @property
    def is_wanted(self) -> bool:
        """Whether anybody may come, or waits for an answer."""
        return bool(self._events.get_map())

    def _retire(self) -> None:
        self._events.unregister(self._over)
        for path in (SHOWQ, FLUSH):
            self._events.unregister(self._inheritance.sockets[path])

    def step(self) -> None:
        """Wait for something to happen, and serve whoever has his turn then."""
        for key, _ in self._events.select():
            key.data()
        while (starting := self._slots.start()) is not None:
            self._fork(*starting)

    def _accept(self, listener: socket.socket, answer: Answer) -> None:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return  # the client has gone again
        except OSError as error:
            self._warn(f"accept connection: {error.strerror}")
            time.sleep(_PAUSE)
            return
        _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if not self._slots.arrive(uid, _Request(connection, answer)):
            connection.close()

    def _fork(self, uid: int, request: _Request) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._slots.end(uid)
            self._warn(f"fork: {error.strerror}")
        else:
            if pid == 0:
                self._serve_and_end(uid, request)
            end = os.pidfd_open(pid)
            self._events.register(end, selectors.EVENT_READ, lambda: self._reap(end, pid, uid))
        request.connection.close()

    def _reap(self, end: int, pid: int, uid: int) -> None:
        self._events.unregister(end)
        os.close(end)
        os.waitpid(pid, 0)
        self._slots.end(uid)

    def _serve_and_end(self, uid: int, request: _Request) -> None:
        """The life of a fork. Its deadline is the kernel's (SIGALRM), which no hanging call outlives."""
        inheritance = self._inheritance
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(_LONGEST)
        try:
            for other in self._slots.waiting():
                other.connection.close()  # else its client would not notice being turned away
            request.connection.settimeout(_PATIENCE)
            request.answer(user_desk.Desk(inheritance.configuration, inheritance.log.emit, uid), request.connection)
        except OSError:
            pass  # the client went away, or does not read
        except Exception as fault:
            inheritance.faults.tell(fault, "a request about the queue was not answered")
        finally:
            with contextlib.suppress(OSError):
                inheritance.log.flush()
            os._exit(0)

    def _warn(self, text: str) -> None:
        self._inheritance.log.emit(Note("showq", text, "warning"))
        self._inheritance.log.flush()
