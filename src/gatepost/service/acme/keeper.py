"""The half of ACME with rights: it stores three files, and binds the port where challenges are answered. It reads no network, and
takes from the other half, which does, nothing but these two requests; where it listens and what the files are called is its own.

It is root as long as the mail system is, with the capability to bind low ports alone, behind walls within which it changes its
folder and reads no file. It ends with the other half.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from gatepost.service.acme import folder
from gatepost.service.master.listeners import Address, listen_inet
from gatepost.service.privileges import Capability, gain_no_privileges, keep_capabilities
from gatepost.service.walls import walls
from gatepost.service.walls.walls import Wall

_MOST: Final = folder.MOST_OCTETS + 1024  # octets of a request
_MOST_SOCKETS: Final = 64
_PATIENCE: Final = 60.0  # seconds: a port may be held for a while


class Store(Struct, frozen=True, tag=True):
    """Keep this. `name`: one of folder.NAMES."""

    name: str
    content: bytes


class Listen(Struct, frozen=True, tag=True):
    """Bind the port."""


class Keeper:
    """The end of the half without rights; threads may share it. An answer that comes too late is not taken for the next one's."""

    def __init__(self, end: socket.socket, patience: float = _PATIENCE) -> None:
        """`patience`: seconds for an answer."""
        end.settimeout(patience)
        self._end = end
        self._unread = 0
        self._one_at_a_time = threading.Lock()

    def store(self, name: str, content: bytes) -> None:
        """Raises OSError."""
        self._ask(Store(name, content))

    def listen(self) -> list[socket.socket]:
        """Sockets that listen, to be closed by whoever asks. Raises OSError."""
        return [socket.socket(fileno=descriptor) for descriptor in self._ask(Listen())]

    def _ask(self, request: Store | Listen) -> list[int]:
        with self._one_at_a_time:
            while self._unread:
                for descriptor in self._answer()[1]:
                    os.close(descriptor)
            self._end.sendall(msgspec.msgpack.encode(request))
            self._unread += 1
            told, descriptors = self._answer()
        if told != b"ok":
            raise OSError(told.decode("utf-8", "replace"))
        return descriptors

    def _answer(self) -> tuple[bytes, list[int]]:
        """The next answer, and what came with it."""
        try:
            told, descriptors, _, _ = socket.recv_fds(self._end, 1024, _MOST_SOCKETS)
        except TimeoutError:
            raise OSError("the process that keeps files and ports does not answer") from None
        if not told:
            raise OSError("the process that keeps files and ports has ended")
        self._unread -= 1
        return told, descriptors


def start(descriptor: int, addresses: Sequence[Address], wall: Wall) -> Keeper:
    """Fork the half with rights. `descriptor`: of the folder; `addresses`: where it binds; `wall`: around it. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            _live(theirs, descriptor, addresses, wall)
        finally:
            os._exit(0)
    theirs.close()
    return Keeper(ours)


def _live(end: socket.socket, descriptor: int, addresses: Sequence[Address], wall: Wall) -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    kept = {0, 1, 2, end.fileno(), descriptor}
    for one in [int(name) for name in os.listdir("/proc/self/fd")]:
        if one not in kept:
            _close(one)
    gain_no_privileges()
    if os.getuid() == 0:
        os.setgroups([])
        keep_capabilities((Capability.NET_BIND_SERVICE,), ())
    walls.put_up(wall)
    while request := end.recv(_MOST):
        told, sockets = _answer(request, descriptor, addresses)
        socket.send_fds(end, [told], [listener.fileno() for listener in sockets])
        for listener in sockets:
            listener.close()


def _answer(request: bytes, descriptor: int, addresses: Sequence[Address]) -> tuple[bytes, list[socket.socket]]:
    sockets: list[socket.socket] = []
    try:
        asked = msgspec.msgpack.decode(request, type=Store | Listen)
        if isinstance(asked, Store):
            folder.store(descriptor, asked.name, asked.content)
        else:
            _bind(addresses, sockets)
    except (OSError, msgspec.MsgspecError) as error:
        for one in sockets:
            one.close()
        return str(error)[:500].encode("utf-8", "replace"), []
    return b"ok", sockets


def _bind(addresses: Sequence[Address], sockets: list[socket.socket]) -> None:
    """Bind all addresses. Raises OSError with the one that cannot be bound."""
    for address in addresses:
        try:
            sockets.append(listen_inet(address))
        except OSError as error:
            raise OSError(f"bind {address}: {error.strerror}: nothing else may listen there, see acme_challenge") from error


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # the one that listed them is closed already
        os.close(descriptor)
