"""How a connection to elsewhere is opened: the port, and its implementation over asyncio. Tests bring peers in memory."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Struct

P = TypeVar("P", bound=asyncio.Protocol)


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
    smtp_bind_address6), empty to let the system choose."""

    def __init__(self, source4: str = "", source6: str = "") -> None:
        self._source4 = source4
        self._source6 = source6

    async def connect(self, factory: Callable[[], P], endpoint: Endpoint, timeout: float) -> P:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout or None):
            if endpoint.path:
                _, protocol = await loop.create_unix_connection(factory, endpoint.path)
                return protocol
            source = self._source6 if ":" in endpoint.address else self._source4
            local = (source, 0) if source else None
            _, protocol = await loop.create_connection(factory, endpoint.address, endpoint.port, local_addr=local)
            return protocol
