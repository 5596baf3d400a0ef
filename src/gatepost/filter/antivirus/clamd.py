"""Asks clamd: several servers in order, each with its breaker and time limits, all of them within one.

What clamd says is believed only where it has looked: where it breaks off at limits of its own and says so
(Heuristics.Limits.Exceeded, AlertExceedsMax of clamd.conf), nobody knows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gatepost.filter.antivirus.port import Clean, Infected, NotScanned, Octets, Unscanned, VirusScan
from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import StreamFailure
from gatepost.proto.clamd import Failed, Instream, Reply, Scanned

SCANNER: Final = "clamd"
_PAUSE: Final = 1.0
"""Seconds before all servers are asked again, where mail waits for them."""
_BROKEN_OFF: Final = "Heuristics.Limits.Exceeded"


class Clamd:
    """An Antivirus.

    servers: in the order in which they are asked; the next one where one does not answer, or fails.
    limit: seconds for all of them, whatever they do.
    wait: whether they are asked again until then.
    unavailable: what becomes of mail where none answers.
    too_large: the same where it is larger than they take, or than they look into.
    sleep: waits so many seconds.
    """

    def __init__(
        self,
        servers: Sequence[StreamClient],
        *,
        limit: float,
        wait: bool,
        unavailable: Unscanned,
        too_large: Unscanned,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._servers = servers
        self._limit = limit
        self._wait = wait
        self._unavailable = unavailable
        self._too_large = too_large
        self._sleep = sleep

    async def scan(self, message: Octets, size: int, owner: str = "") -> VirusScan:
        """As the port has it."""
        return (await self._all(((message, size),), owner))[0]

    async def scan_pieces(self, pieces: tuple[bytes, ...], owner: str = "") -> VirusScan:
        """As the port has it; the first that is infected decides, then the first that nobody could look at."""
        results = await self._all([(_once(piece), len(piece)) for piece in pieces], owner)
        names = [name for one in results if isinstance(one, Infected) for name in one.names]
        if names:
            return Infected(tuple(dict.fromkeys(names)), SCANNER)
        return next((one for one in results if isinstance(one, NotScanned)), Clean(SCANNER))

    async def _all(self, streams: Sequence[tuple[Octets, int]], owner: str) -> list[VirusScan]:
        """What each is, one after the other, in the time for one message; in the order in which they stand, or where the time is
        over, what that means, last."""
        results: list[VirusScan] = []
        try:
            async with asyncio.timeout(self._limit):
                for message, size in streams:
                    results.append(await self._scan(message, size, owner))
        except TimeoutError:
            results.append(NotScanned(self._unavailable, f"no virus scanner has answered within {self._limit:g} s"))
        return results

    async def _scan(self, message: Octets, size: int, owner: str) -> VirusScan:
        while True:
            failures = []
            for server in self._servers:
                reply = await _asked(server, message, owner)
                if isinstance(reply, Scanned):
                    return self._result(reply)
                failures.append((server.server.name, reply))
            too_large = [name for name, reply in failures if not isinstance(reply, Failed)]
            if too_large:
                return NotScanned(
                    self._too_large, f"larger than {too_large[0]} takes (StreamMaxLength of its clamd.conf): {size} octets"
                )
            if not self._wait:
                words = "; ".join(f"{name}: {reply.why}" for name, reply in failures if isinstance(reply, Failed))
                return NotScanned(self._unavailable, f"no virus scanner answers: {words}")
            await self._sleep(_PAUSE)

    def _result(self, reply: Scanned) -> VirusScan:
        if reply.found.startswith(_BROKEN_OFF):
            return NotScanned(self._too_large, f"{SCANNER} has not looked at all of it: {reply.found}")
        return Infected((reply.found,), SCANNER) if reply.found else Clean(SCANNER)


async def _asked(server: StreamClient, message: Octets, owner: str) -> Reply:
    """What a server says; Failed where it says nothing. Raises OSError where the message cannot be read."""
    try:
        return await server.ask(lambda: Instream(message), owner)
    except StreamFailure as failure:
        return Failed(failure.words)


def _once(piece: bytes) -> Octets:
    return lambda: iter((piece,))
