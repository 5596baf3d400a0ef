"""A `spamd` service: says to spamc(1), and to whatever speaks its protocol, what a message scores. One for each line of master.cf.

A connection is one task, for one request. Failure: what is no request is told so in spamd's words; where nobody can say what a
message is, the client hears EX_TEMPFAIL, and does what it does without a spamd. Each step of a connection has its time limit, and
all connections of a service together keep so many octets.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from gatepost.events.records import Clock, Emit, Note
from gatepost.filter.scanning import ScanFailed
from gatepost.filter.spamassassin_marks import Scored, marked, report, split
from gatepost.lookup.port import LookupFailure
from gatepost.proto.spamd_server import PONG, Asked, Code, Command, Refusal, RequestReader, answer
from gatepost.receive.peer import plain_address
from gatepost.receive.port import ClientList

_CHUNK: Final = 65536
_ORIGIN: Final = "spamd"
AWAY: Final = Refusal(Code.TEMPFAIL, "EX_TEMPFAIL")
_TELL: Final = Refusal(Code.UNAVAILABLE, "Service Unavailable: TELL commands are not enabled, use gatepost learn.")

Bodies = Callable[[bytes, Scored], tuple[bytes, ...]]

_BODIES: Final[dict[Command, Bodies]] = {
    Command.CHECK: lambda message, scored: (),
    Command.SYMBOLS: lambda message, scored: (scored.names.encode(),),
    Command.REPORT: lambda message, scored: (report(scored),),
    Command.REPORT_IFSPAM: lambda message, scored: (report(scored),) if scored.is_spam else (),
    Command.HEADERS: lambda message, scored: (marked(split(message)[0], scored),),
    Command.PROCESS: lambda message, scored: (marked(split(message)[0], scored), split(message)[1]),
}
"""What each command is answered with, in pieces."""


class SpamdPorts(Struct, frozen=True):
    """The rooms around the connections of one service.

    - `authorized`: whose requests are answered; over a UNIX-domain socket everybody's are.
    - `score`: says what a message is. Raises ScanFailed.
    - `clock`: seconds since whenever.
    - `fault`: told of what nobody expected to be raised.
    """

    authorized: ClientList
    score: Callable[[bytes], Awaitable[Scored]]
    emit: Emit
    clock: Clock
    fault: Callable[[BaseException, str], object]


class SpamdServer:
    """The connections of one service. `most`: octets of a message; `time_limit`: seconds for a request to come, to be judged, and
    for its answer to be taken, each; `held`: octets of all messages together that are kept."""

    def __init__(self, ports: SpamdPorts, most: int, time_limit: float, held: int) -> None:
        self._ports = ports
        self._most = most
        self._time_limit = time_limit
        self._room = held

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. Raises nothing."""
        client = _client(writer)
        if client and not await self._is_authorized(client):
            self._warn(f"unauthorized connection from {client}")
            return
        try:
            await self._answer(reader, writer)
        except Refusal as refusal:
            self._warn(f"{client or 'local'}: {refusal}")
            with contextlib.suppress(OSError, TimeoutError):
                await self._tell(writer, (refusal.answer,))
                await self._rest(reader, writer)
        except (OSError, TimeoutError):
            writer.transport.abort()  # nobody is there to be told
        except Exception as error:
            self._ports.fault(error, "the client is told EX_TEMPFAIL")
            with contextlib.suppress(OSError, TimeoutError):
                await self._tell(writer, (AWAY.answer,))

    async def _is_authorized(self, client: str) -> bool:
        try:
            return await self._ports.authorized("", client)
        except LookupFailure:  # the log has it
            return False

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises Refusal, OSError, TimeoutError."""
        held = _Held(self)
        try:
            asked = await self._asked(reader, held)
            if asked.command is Command.PING:
                await self._tell(writer, (PONG,))
            elif asked.command is Command.TELL:
                raise _TELL
            elif asked.command is not Command.SKIP:
                await self._tell(writer, await self._judged(asked))
        finally:
            held.keep(0)

    async def _asked(self, reader: asyncio.StreamReader, held: "_Held") -> Asked:
        request = RequestReader(self._most)
        try:
            async with asyncio.timeout(self._time_limit):
                while octets := await reader.read(_CHUNK):
                    if asked := request.feed(octets):
                        return asked
                    held.keep(request.held)
        except TimeoutError:
            raise Refusal(Code.TIMEOUT, f"Timeout: ({self._time_limit:g} second timeout while reading the request)") from None
        return request.ended()

    async def _judged(self, asked: Asked) -> tuple[bytes, ...]:
        ports, begun = self._ports, self._ports.clock()
        try:
            async with asyncio.timeout(self._time_limit):
                scored = await ports.score(asked.message)
        except TimeoutError:
            words = f"Timeout: ({self._time_limit:g} second timeout while trying to {asked.command})"
            raise Refusal(Code.TIMEOUT, words) from None
        except ScanFailed as failure:
            self._warn(f"not scanned: {failure}")
            raise AWAY from None
        self._log(asked, scored, ports.clock() - begun)
        body = _BODIES[asked.command](asked.message, scored)
        said = answer(asked.command, is_spam=scored.is_spam, score=scored.score, required=scored.required, size=sum(map(len, body)))
        return (said, *body)

    async def _tell(self, writer: asyncio.StreamWriter, pieces: tuple[bytes, ...]) -> None:
        """Raises OSError, TimeoutError where the client does not take it."""
        async with asyncio.timeout(self._time_limit):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    async def _rest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client that still sends does not hear what it is told, unless somebody reads."""
        async with asyncio.timeout(self._time_limit):
            left = 2 * self._most
            while left > 0 and (octets := await reader.read(_CHUNK)):
                left -= len(octets)

    def take(self, octets: int) -> None:
        """So many more octets are kept, or fewer. Raises Refusal where that is too much for all together."""
        if octets > self._room:
            raise AWAY
        self._room -= octets

    def _log(self, asked: Asked, scored: Scored, seconds: float) -> None:
        """As spamd logs it."""
        what, user, size = "identified spam" if scored.is_spam else "clean message", asked.user or "(unknown)", len(asked.message)
        self._note(f"{what} ({scored.score:.1f}/{scored.required:.1f}) for {user} in {seconds:.1f} seconds, {size} bytes.")
        result = f"result: {'Y' if scored.is_spam else '.'} {int(scored.score)} - {scored.names}"
        self._note(f"{result} scantime={seconds:.1f},size={size},user={user},required_score={scored.required:.1f}")

    def _note(self, text: str) -> None:
        self._ports.emit(Note(_ORIGIN, text))

    def _warn(self, text: str) -> None:
        self._ports.emit(Note(_ORIGIN, text, "warning"))


class _Held:
    """What one connection keeps of the room of all."""

    def __init__(self, server: SpamdServer) -> None:
        self._server = server
        self._octets = 0

    def keep(self, octets: int) -> None:
        """So many now. Raises Refusal where there is no room."""
        self._server.take(octets - self._octets)
        self._octets = octets


def _client(writer: asyncio.StreamWriter) -> str:
    """Its IP address; empty over a UNIX-domain socket."""
    name = writer.get_extra_info("peername")
    return plain_address(name[0]) if isinstance(name, tuple) else ""
