"""The sockets of a handle of the LDAP library, known from the moment they are connected, those to servers that it was referred to
among them.

The library has no time limit for a handshake of TLS: a thread that waits for a server that says nothing is freed by ending its
socket.
"""

import contextlib
import os
import socket
import threading

from gatepost.lookup.libldap import Library


class Sockets:
    """To be used in any thread. `octets`: the most of one message that a server may send."""

    def __init__(self, library: Library, octets: int) -> None:
        self._library = library
        self._octets = octets
        self._lock = threading.Lock()
        self._open: dict[int, socket.socket] = {}
        self._ended = False
        self._hooks: object = None  # the library calls them until the handle is unbound

    def watch(self, handle: int) -> None:
        """Learn of the connections of a handle. To be called before it has any. Raises LdapError."""
        self._hooks = self._library.tell_connections(handle, self._connected, self._disconnected)

    def end(self) -> None:
        """Shut down all that are open, and let no other be opened."""
        with self._lock:
            self._ended = True
            for one in self._open.values():
                with one, contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def _connected(self, buffer: int) -> bool:
        """Whether the connection may be used."""
        self._library.limit_messages(buffer, self._octets)
        with self._lock, contextlib.suppress(OSError):  # no descriptor is left, and so there is no connection
            if not self._ended:
                # Our own descriptor: the library may close its at any time, and the number may then be somebody else's.
                self._open[buffer] = socket.socket(fileno=os.dup(self._library.descriptor_of(buffer)))
                return True
        return False

    def _disconnected(self, buffer: int) -> None:
        with self._lock:
            ended = self._open.pop(buffer, None)
        if ended is not None:
            ended.close()
