"""A scanner for a command, that is, for one process that waits: a forked child behind the same walls, over a pair of sockets.

Whatever a message does to the child is done to that message: the next one finds another child.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Final, NoReturn, Self

from gatepost.filter.facts import Facts, Request
from gatepost.filter.scan import Scanner
from gatepost.filter.scanning import ScanFailed
from gatepost.service.privileges import die_with_parent
from gatepost.service.scanner import frames, serving
from gatepost.service.walls import walls

_MOST: Final = 1 << 30
_GRACE: Final = 30.0
"""Seconds beyond its time limit for a child to answer."""


class Apart:
    """Scans by `make()`, which the child calls behind its walls. `time_limit`: seconds of the processor's for a message; `memory`:
    octets, 0 for any. Used in a `with`."""

    def __init__(self, make: Callable[[], Scanner], time_limit: float, memory: int) -> None:
        self._make = make
        self._time_limit = time_limit
        self._memory = memory
        self._socket: socket.socket | None = None
        self._child = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def scan(self, request: Request, octets: bytes) -> Facts:
        """The facts of a message. Raises ScanFailed; OSError where nothing can be forked."""
        connection = self._connected()
        try:
            connection.sendall(frames.question(request, len(octets)) + octets)
            are_facts, size = frames.coming(serving.exactly(connection, frames.ANSWER.size))
            answer = serving.exactly(connection, size)
            if not are_facts:
                raise ScanFailed(answer.decode("utf-8", "replace"))
            return frames.facts(answer)
        except TimeoutError:
            raise self._failed("no answer in time") from None
        except OSError:
            raise self._failed("it was ended by a limit of time or memory, or crashed") from None
        except frames.Garbage as garbage:
            raise self._failed(f"nonsense: {garbage}") from None

    def _failed(self, why: str) -> ScanFailed:
        self._end()
        return ScanFailed(why)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            ours, theirs = socket.socketpair()
            ours.settimeout(self._time_limit + _GRACE)
            with theirs:
                parent = os.getpid()
                self._child = os.fork()
                if self._child == 0:
                    self._serve(ours, theirs, parent)
            self._socket = ours
        return self._socket

    def _serve(self, ours: socket.socket, theirs: socket.socket, parent: int) -> NoReturn:
        """The child's life."""
        try:
            ours.close()
            die_with_parent(parent)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            serving.arm()
            walls.seal(self._memory)
            scanner = self._make()
            while True:
                serving.serve(theirs, scanner.scan, self._time_limit, _MOST, patience=None)
        except BaseException:
            os._exit(1)  # the parent sees the end, and whatever it was, its stack is not to be unwound here
        os._exit(0)

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
