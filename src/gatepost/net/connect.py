"""How a connection to elsewhere is opened: the port, and its implementation over asyncio. Tests bring peers in memory."""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Struct

P = TypeVar("P", bound=asyncio.Protocol)


# An address that this machine has not, or that is none.
_NOT_OURS = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL))


class Endpoint(Struct, frozen=True):
    """Where to connect to: an IP `address` and `port`, or the `path` of a UNIX-domain socket."""

    address: str = ""
    port: int = 0
    path: str = ""


class Connector(Protocol):
    """Opens connections."""

    async def connect(self, factory: Callable[[], P], endpoint: Endpoint, timeout: float) -> P:
        """A protocol of `factory`'s, connected. `timeout` in seconds, 0 for the system's own. Raises OSError (TimeoutError
        among them)."""
        ...


class SocketConnector:
    """Connects by the system's sockets. `source4`, `source6`: own address to connect from (smtp_bind_address,
    smtp_bind_address6), empty to let the system choose. `warn`: how to say that it cannot be used, after which the system chooses;
    without it (smtp_bind_address_enforce), that is an error."""

    def __init__(self, source4: str = "", source6: str = "", warn: Callable[[str], None] | None = None) -> None:
        self._source4 = source4
        self._source6 = source6
        self._warn = warn

    async def connect(self, factory: Callable[[], P], endpoint: Endpoint, timeout: float) -> P:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout or None):
            if endpoint.path:
                _, protocol = await loop.create_unix_connection(factory, endpoint.path)
                return protocol
            source = self._source6 if ":" in endpoint.address else self._source4
            if source:
                try:
                    _, protocol = await loop.create_connection(factory, endpoint.address, endpoint.port, local_addr=(source, 0))
                    return protocol
                except OSError as error:
                    if self._warn is None or error.errno not in _NOT_OURS:
                        raise
                    self._warn(f"bind {source}: {os.strerror(error.errno)}")
            _, protocol = await loop.create_connection(factory, endpoint.address, endpoint.port)
            return protocol
