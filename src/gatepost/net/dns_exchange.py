"""One question to one name server, over UDP from a port of its own, and over TCP where the answer is too large for that (RFC 7766).

What comes from elsewhere, or answers something else, is not heard.
Failure: OSError, TimeoutError among them; EOFError; dns.exception.DNSException for what is no reply at all.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dns.message


async def exchange(question: "dns.message.Message", server: tuple[str, int], limit: float) -> "dns.message.Message":
    """The reply of a `server`, address and port, within `limit` seconds. `errors` of the reply tell of records in it that cannot be
    read."""
    import dns.flags

    async with asyncio.timeout(limit):
        reply = await _by_datagram(question, server)
        return await _by_stream(question, server) if reply.flags & dns.flags.TC else reply


class _Datagrams(asyncio.DatagramProtocol):
    """`reply`: done with the first datagram that answers `question`."""

    def __init__(self, question: "dns.message.Message") -> None:
        self._question = question
        self.reply: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: object) -> None:
        import dns.exception

        with contextlib.suppress(dns.exception.DNSException):
            reply = _read(data)
            if self._question.is_response(reply) and not self.reply.done():
                self.reply.set_result(reply)

    def error_received(self, error: Exception) -> None:
        self.connection_lost(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.reply.done():
            self.reply.set_exception(error or EOFError("closed"))
            self.reply.exception()  # nobody may be waiting any more


async def _by_datagram(question: "dns.message.Message", server: tuple[str, int]) -> "dns.message.Message":
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(question), remote_addr=server)
    try:
        transport.sendto(question.to_wire())
        return await protocol.reply
    finally:
        transport.close()


async def _by_stream(question: "dns.message.Message", server: tuple[str, int]) -> "dns.message.Message":

    reader, writer = await asyncio.open_connection(*server)
    try:
        octets = question.to_wire()
        writer.write(len(octets).to_bytes(2) + octets)
        reply = _read(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
    finally:
        writer.close()
    if not question.is_response(reply):
        raise EOFError("an answer to something else")
    return reply


def _read(octets: bytes) -> "dns.message.Message":
    import dns.message

    return dns.message.from_wire(octets, continue_on_error=True, ignore_trailing=True)
