"""Where lines of the log end up: a file, a pipe, a terminal, a socket, the syslog daemon. None of them is ever waited for.

A pipe, terminal or socket is written to without waiting for its reader, also where it is standard output, which others share: so
its own flags are left alone, and it is opened once more. A pipe gets whole lines only, each write short enough that none of another
process comes in between (pipe(7), PIPE_BUF).
"""

import os
import select
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gatepost.service.path_owners import weakest
from gatepost.service.privileges import acting_as

_WHOLE = select.PIPE_BUF
_DEV_LOG = "/dev/log"
_STANDARD = {"": 2, "/dev/stderr": 2, "/dev/stdout": 1}


class Sink(Protocol):
    """`name`: what it is called where lines are lost."""

    name: str

    def write(self, data: bytes) -> int:
        """Take octets, lines with their ends, from the beginning: how many were taken. Raises OSError where none were; that is
        BlockingIOError where nobody reads what was written before."""
        ...

    def fileno(self) -> int:
        """What may be polled."""
        ...

    def close(self) -> None: ...


class FileSink:
    """A descriptor. A disk that does not answer is waited for, as the queue's is; nothing else is."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._send: Callable[[bytes], int] = _way_to(descriptor)

    def write(self, data: bytes) -> int:
        return self._send(data)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Close the file, unless it is one of the process's own three."""
        if self._descriptor > 2:
            os.close(self._descriptor)


def _way_to(descriptor: int) -> Callable[[bytes], int]:
    """How octets are written to `descriptor`: at once to a disk, else in whole lines."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        mode = stat.S_IFREG  # closed: every write says so
    if stat.S_ISSOCK(mode):
        return lambda data: _whole_lines(data, lambda piece: _send(descriptor, piece))
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return lambda data: _whole_lines(data, lambda piece: os.write(descriptor, piece))
    return lambda data: os.write(descriptor, data)


def _send(descriptor: int, data: bytes) -> int:
    sock = socket.socket(fileno=descriptor)
    try:
        return sock.send(data, socket.MSG_DONTWAIT)
    finally:
        sock.detach()


def _whole_lines(data: bytes, write: Callable[[bytes], int]) -> int:
    """Write pieces that end with a line, and are longer than PIPE_BUF only where one line is. The octets that were taken."""
    done = 0
    while done < len(data):
        end = len(data) if len(data) - done <= _WHOLE else data.rfind(b"\n", done, done + _WHOLE) + 1
        piece = data[done : end or data.find(b"\n", done) + 1 or len(data)]
        try:
            taken = write(piece)
        except OSError:
            if not done:
                raise
            break
        done += taken
        if taken < len(piece):
            break
    return done


class SyslogSink:
    """The syslog daemon's socket: a datagram for each line. A daemon that went away is looked for again."""

    def __init__(self, path: str = _DEV_LOG) -> None:
        """Raises OSError where there is no daemon."""
        self.name = "syslog"
        self._path = path
        self._socket = self._connected()

    def write(self, data: bytes) -> int:
        done = 0
        for line in data.splitlines(keepends=True):
            try:
                self._offer(line[:-1])
            except OSError:
                if not done:
                    raise
                break
            done += len(line)
        return done

    def _offer(self, line: bytes) -> None:
        try:
            self._socket.send(line)
        except BlockingIOError:
            raise
        except OSError:  # the daemon was started anew
            found = self._connected()
            self._socket.close()
            self._socket = found
            self._socket.send(line)

    def _connected(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            raise
        return sock

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def open_file(file: str, permissions: int = 0o600) -> FileSink:
    """The sink of `maillog_file` or `json_log_file`. `permissions`: of a file that is made. Raises OSError."""
    if file in _STANDARD:
        return FileSink(_apart(_STANDARD[file]), file or "stderr")
    path = Path(file)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that nobody reads must hold up nobody
    if os.geteuid() == 0 and path.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        flags |= os.O_NOFOLLOW  # others may have put a link there
    with acting_as(*weakest(path)):  # in a folder of mail_owner, say, root is to write what mail_owner could write, and no more
        return FileSink(os.open(path, flags, permissions), file)


def _apart(descriptor: int) -> int:
    """What one of the process's own three leads to, so that writing never waits: opened once more, for whoever started us goes on
    using it as it is. What is another user's cannot be opened: then it is changed for all."""
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISFIFO(mode) and not stat.S_ISCHR(mode):
            return descriptor
        try:
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            os.set_blocking(descriptor, False)
    except OSError:
        pass  # closed: every write says so
    return descriptor
