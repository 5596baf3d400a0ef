"""A tool that has written to a partition rings, so that its worker looks at once and not only when it next would.

The bell is a datagram socket beside the database. It carries nothing: what is wanted stands in the database. Nobody there, or a
path too long for a socket, does no harm; the worker notices by itself within about a second.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

NAME = "bell"
_HEARD = 16  # rings to take from the socket at a time: one look answers them all


def ring(directory: Path) -> None:
    """Call the worker that owns the partition in `directory`, if there is one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bell:
        bell.sendto(b"", str(directory / NAME))


class Doorbell:
    """The bell of the partition in `directory`, which the caller owns; `answer` is called in the running loop when it rings."""

    def __init__(self, directory: Path, answer: Callable[[], object]) -> None:
        self._path = directory / NAME
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):  # a partition is as good without a bell
            self._path.unlink(missing_ok=True)
            self._socket = bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            bell.bind(str(self._path))
            self._loop.add_reader(bell.fileno(), self._heard, bell)

    def close(self) -> None:
        """Hear no more."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _heard(self, bell: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(_HEARD):
                bell.recv(1)
        self._answer()
