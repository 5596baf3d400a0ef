"""The server side of TLS over a connection of which some octets have been read already (RFC 8314 §3, behind a PROXY header or not).

A client of a port with TLS from the start speaks first, at once, and nobody can say when the loop reads it; asyncio's
start_tls() knows only of what comes after it. So what came before is handed to the TLS layer as if it had come then.
"""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ssl


async def start_server_tls(
    transport: asyncio.Transport, protocol: asyncio.BaseProtocol, context: "ssl.SSLContext", limit: float, early: bytes = b""
) -> asyncio.Transport:
    """The transport of TLS over `transport`, after a handshake of at most `limit` seconds. `early`: octets that were read and
    belong to the handshake. Raises OSError (ssl.SSLError among them) where it fails, TimeoutError where it takes too long."""
    loop = asyncio.get_running_loop()
    if transport.is_closing():
        raise ConnectionResetError("connection lost")
    starting: Awaitable[asyncio.Transport | None] = loop.start_tls(
        transport, protocol, context, server_side=True, ssl_handshake_timeout=limit
    )
    if early:
        # Nothing is read between now and the turn of the loop in which the TLS layer learns of its transport, has reading
        # resumed, and then, before anything is read, is given these octets.
        transport.pause_reading()
        starting = asyncio.ensure_future(starting)
        loop.call_soon(loop.call_soon, _hand_over, transport, early)
    try:
        secured = await starting
    except ConnectionAbortedError as error:  # how the loops say that the limit is over
        raise TimeoutError(str(error)) from None
    if secured is None:
        raise ConnectionResetError("connection lost")
    return secured


def _hand_over(transport: asyncio.Transport, octets: bytes) -> None:
    """Let the TLS layer, a buffered protocol in each loop, have `octets` as if they came from the network now."""
    layer, left = cast(asyncio.BufferedProtocol, transport.get_protocol()), memoryview(octets)
    while left and not transport.is_closing():
        room = memoryview(layer.get_buffer(len(left)))
        size = min(len(room), len(left))
        room[:size] = left[:size]
        layer.buffer_updated(size)
        left = left[size:]
