"""A process that searches where a search may take too long for the worker: it can be killed at a deadline.

Each worker has one, forked when it is first needed; clients take turns at it. Nothing is executed, and the child keeps no
descriptor but its socket. Its own alarm ends it when a search takes too long; it ends with its worker, too. A request is a
pattern and a key, an answer where the groups are; the next request finds another process where one was ended.
"""

import asyncio
import contextlib
import gc
import os
import select
import signal
import socket
import struct
import time
from typing import Final, NoReturn

from gatepost.lookup import pattern_time, posix_regex
from gatepost.lookup.fair_turn import FairTurn
from gatepost.lookup.matching import Groups, Recipe, Subject, Unanswered, cut
from gatepost.lookup.port import LookupFailure

DEADLINE: Final = 0.5
"""Seconds of the processor's time that a search may take which might have no end."""
_PATIENCE: Final = 10.0
"""Seconds to wait for the searches of others."""
_AT_ONCE: Final = 2
"""Milliseconds that the whole worker waits for an answer: most need less than turning to something else would cost."""
_SENDING: Final = 1.0
"""Seconds for it to take a question, which it waits for."""
_GRACE: Final = 5.0
"""Seconds that the process may have been without a processor."""
_MEMORY: Final = 256 << 20
"""Octets that the process may take beyond what it has from its worker."""

_REQUEST: Final = struct.Struct("=dIiII")  # deadline, octets of the pattern, flags, whether groups are wanted, octets of the key
_ANSWER: Final = struct.Struct("=iId")  # kind, octets that follow, seconds that it took
_OFFSET: Final = 4
_NOTHING, _FOUND, _FAILED = range(3)

TIME_LIMIT: Final = "time limit exceeded"


class PatternProcess:
    """The worker's end."""

    def __init__(self) -> None:
        self._turn = FairTurn()
        self._socket: socket.socket | None = None
        self._child = 0
        self._parent = 0

    async def search(self, recipe: Recipe, subject: Subject, deadline: float) -> tuple[Groups | None, float]:
        """The first match, and the seconds that it took. `deadline`: of the processor's time. Raises Unanswered, which says what
        counts for it (all of the time where the search would have ended); LookupFailure where others take too long."""
        try:
            await self._turn.acquire(pattern_time.current().client, _PATIENCE)
        except TimeoutError:
            raise LookupFailure("regexp", "too many slow searches at a time") from None
        try:
            return await self._ask(recipe, subject, deadline)
        except BaseException:
            # Whatever it may still answer belongs to no later question.
            self.stop()
            raise
        finally:
            self._turn.release()

    async def _ask(self, recipe: Recipe, subject: Subject, deadline: float) -> tuple[Groups | None, float]:
        try:
            connection = self._connected()
        except OSError as error:
            raise LookupFailure("regexp", f"no process for slow patterns: {error.strerror}") from None
        try:
            connection.settimeout(_SENDING)
            pattern, key = recipe.pattern, subject.octets
            connection.sendall(_REQUEST.pack(deadline, len(pattern), recipe.flags, recipe.captures, len(key)) + pattern + key)
            connection.setblocking(False)
            kind, size, seconds = _ANSWER.unpack(await _receive(connection, _ANSWER.size, deadline))
            body = await _receive(connection, size, deadline)
        except (OSError, EOFError, TimeoutError):
            raise Unanswered(TIME_LIMIT, deadline) from None
        if kind == _FAILED:
            raise Unanswered(body.decode("ascii", "replace"), seconds if recipe.endless else deadline)
        return None if kind == _NOTHING else cut(key, struct.unpack(f"={size // _OFFSET}i", body)), seconds

    def _connected(self) -> socket.socket:
        """The socket of a running process of ours. Raises OSError."""
        if self._parent != os.getpid():
            self._socket, self._child = None, 0  # a parent's process is not ours
        if self._socket is None:
            ours, theirs = socket.socketpair()
            with theirs:
                child = os.fork()
                if child == 0:
                    _serve(theirs)
            self._socket, self._child, self._parent = ours, child, os.getpid()
        return self._socket

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._socket is None or self._parent != os.getpid():
            return
        self._socket.close()
        self._socket = None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._child, 0)


async def _receive(connection: socket.socket, count: int, deadline: float) -> bytes:
    """`count` octets. Raises OSError, EOFError, TimeoutError."""
    received = b""
    while len(received) < count:
        waiting = select.poll()
        waiting.register(connection, select.POLLIN)
        if waiting.poll(_AT_ONCE):
            piece = connection.recv(count - len(received))
        else:
            async with asyncio.timeout(deadline + _GRACE):
                piece = await asyncio.get_running_loop().sock_recv(connection, count - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received


def _serve(connection: socket.socket) -> NoReturn:
    """The child: answer until the worker hangs up or a search takes too long."""
    try:
        gc.disable()  # nothing of the worker's is to be tidied up here
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPROF, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        kept = os.dup2(connection.fileno(), 0, inheritable=False)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        posix_regex.limit_memory(_MEMORY)
    except BaseException:
        os._exit(1)
    _answer_all(socket.socket(fileno=kept))


def _answer_all(connection: socket.socket) -> NoReturn:
    try:
        connection.setblocking(True)
        while True:
            deadline, patterned, flags, captures, keyed = _REQUEST.unpack(_exactly(connection, _REQUEST.size))
            octets = _exactly(connection, patterned + keyed)
            began = time.thread_time()
            signal.setitimer(signal.ITIMER_PROF, deadline)
            kind, body = _found(octets[:patterned], flags, bool(captures), octets[patterned:])
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.sendall(_ANSWER.pack(kind, len(body), time.thread_time() - began) + body)
    finally:
        os._exit(0)


def _found(pattern: bytes, flags: int, captures: bool, key: bytes) -> tuple[int, bytes]:
    try:
        expression = posix_regex.Expression(pattern, flags, captures=captures)
        if expression.search(Subject(key)) is None:
            return _NOTHING, b""
    except (Unanswered, ValueError) as failure:
        return _FAILED, str(failure).encode()
    offsets = expression.offsets() if captures else ()
    return _FOUND, struct.pack(f"={len(offsets)}i", *offsets)


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            os._exit(0)
        received += piece
    return bytes(received)


process: Final = PatternProcess()
"""This process's own."""
