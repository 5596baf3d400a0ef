"""One question to one name server, over UDP from a port of its own, and over TCP where the answer is too large for that (RFC 7766).

Messages are octets here: who asks writes the question and reads the reply. The port of a question is as hard to guess as its ID
(RFC 5452); what comes from elsewhere, or answers something else, is not heard.
Failure: OSError, TimeoutError among them; EOFError.
"""

import asyncio

from gatepost.proto.dns_message import is_reply, is_truncated

_LENGTH = 2  # octets of the length before a message over TCP (RFC 1035 §4.2.2)


async def exchange(asked: bytes, server: tuple[str, int], limit: float) -> bytes:
    """The reply of a `server`, address and port, within `limit` seconds."""
    async with asyncio.timeout(limit):
        reply = await _by_datagram(asked, server)
        return await _by_stream(asked, server) if is_truncated(reply) else reply


class _Datagrams(asyncio.DatagramProtocol):
    """`reply`: done with the first datagram that answers the question."""

    def __init__(self, asked: bytes) -> None:
        self._asked = asked
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: object) -> None:
        if not self.reply.done() and is_reply(data, self._asked):
            self.reply.set_result(data)

    def error_received(self, error: Exception) -> None:
        self.connection_lost(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.reply.done():
            self.reply.set_exception(error or EOFError("closed"))
            self.reply.exception()  # nobody may be waiting any more


async def _by_datagram(asked: bytes, server: tuple[str, int]) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(asked), remote_addr=server)
    try:
        transport.sendto(asked)
        return await protocol.reply
    finally:
        transport.close()


async def _by_stream(asked: bytes, server: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(asked).to_bytes(_LENGTH) + asked)
        reply = await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH)))
    finally:
        writer.close()
    if not is_reply(reply, asked):
        raise EOFError("an answer to something else")
    return reply
