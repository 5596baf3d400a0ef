"""qmqpd(8): takes one message a connection, by QMQP, from clients that are listed. One service for each line of master.cf.

A connection is one task. Failure: what is no QMQP, or is refused, is answered so and ends the connection; a client that goes away
or is silent for qmqpd_timeout has handed in nothing.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from gatepost.events.records import Accepted, Clock, Connected, Emit, Event, Note
from gatepost.lookup.port import LookupFailure
from gatepost.mail.date import MailDates
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.net.port import Resolver
from gatepost.policy.port import Facts
from gatepost.proto.qmqp import Part, QmqpError, QmqpReader, Verdict, reply
from gatepost.receive.first_line import mended
from gatepost.receive.peer import Peer, identify, plain_address
from gatepost.receive.port import Admission, ClientList, Intake
from gatepost.receive.received import received
from gatepost.receive.transaction import Sender, attributes, envelope, recipient

_CHUNK: Final = 65536
_FIRST_LINE: Final = 256
"""Octets of a message that are awaited before it is passed on: all that matters of its first line."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_ORIGIN: Final = "qmqpd"


class QmqpdSettings(Struct, frozen=True):
    """Parameters of qmqpd(8); times are seconds."""

    myhostname: str
    mail_name: str
    qmqpd_timeout: float
    qmqpd_error_delay: float
    qmqpd_client_port_logging: bool
    message_size_limit: int
    line_length_limit: int
    content_filter: str
    verp_delimiter_filter: str


class QmqpPorts(Struct, frozen=True):
    """The rooms around the connections of one service.

    - `authorized`: qmqpd_authorized_clients.
    - `clock`: seconds since 1970.
    - `pause`: waits so many seconds.
    - `fault`: told of what nobody expected to be raised.
    """

    authorized: ClientList
    admission: Admission
    new_id: Callable[[], QueueId]
    resolver: Resolver
    emit: Emit
    clock: Clock
    pause: Callable[[float], Awaitable[None]]
    fault: Callable[[BaseException, str], object]


class _Refused(Exception):
    """What a client is told instead of `Ok`."""

    def __init__(self, verdict: Verdict, text: str, log: Event | None = None) -> None:
        super().__init__(text)
        self.verdict = verdict
        self.log = log


class QmqpSession:
    """One connection, from the first octet to the last log line."""

    def __init__(
        self, settings: QmqpdSettings, ports: QmqpPorts, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._settings = settings
        self._ports = ports
        self._reader = reader
        self._writer = writer
        self._facts = Facts()
        self._facts.protocol_name = "QMQP"
        self._facts.shows_port = settings.qmqpd_client_port_logging
        self._dates = MailDates()

    async def run(self) -> None:
        """Take the message, and say what became of it."""
        facts, emit = self._facts, self._ports.emit
        await self._meet()
        emit(Connected(_ORIGIN, facts.client))
        try:
            told = reply(Verdict.TAKEN, await self._take())
        except _Refused as refused:
            if refused.log is not None:
                emit(refused.log)
            await self._ports.pause(self._settings.qmqpd_error_delay)
            told = reply(refused.verdict, str(refused))
        except (OSError, TimeoutError, EOFError):
            told = b""  # nobody is there to be told, and the log knows
        except Exception as error:
            self._ports.fault(error, "the client is asked to try again")
            told = reply(Verdict.LATER, "Error: internal error")
        try:
            self._writer.write(told)
            async with asyncio.timeout(self._settings.qmqpd_timeout):
                await self._writer.drain()
        except (OSError, TimeoutError):
            pass  # it does not listen any more
        emit(Note(_ORIGIN, f"disconnect from {facts.client}"))

    async def _meet(self) -> None:
        facts, name = self._facts, self._writer.get_extra_info("peername")
        if isinstance(name, tuple):
            facts.client_address, facts.client_port = plain_address(name[0]), str(name[1])
            peer = await identify(self._ports.resolver, facts.client_address)
        else:  # a UNIX-domain socket
            facts.client_address, peer = "127.0.0.1", Peer("localhost", 2, "localhost", 2)
        facts.client_name, facts.client_name_code = peer.name, peer.name_code
        facts.reverse_client_name, facts.reverse_client_name_code = peer.reverse_name, peer.reverse_code

    async def _take(self) -> str:
        """What the client hears of its message. Raises _Refused; OSError, TimeoutError, EOFError where it went away."""
        facts, ports = self._facts, self._ports
        try:
            authorized = await ports.authorized(facts.client_name, facts.client_address)
        except LookupFailure:  # the log has it
            raise _Refused(Verdict.LATER, "Error: server configuration error") from None
        if not authorized:
            raise _Refused(Verdict.REFUSED, f"Error: {facts.client} is not authorized to use this service")
        queue_id = ports.new_id()
        facts.queue_id = str(queue_id)
        ports.emit(Accepted(_ORIGIN, facts.queue_id, facts.client))
        intake = ports.admission.open(queue_id, client=facts.client, origin_service=_ORIGIN, context="local", guards=None)
        try:
            wanted = self._envelope(await self._receive(intake))
        except BaseException:
            intake.abort()
            raise
        return await self._admit(intake, wanted)

    async def _receive(self, intake: Intake) -> QmqpReader:
        """All that the client sends; the message goes to `intake`."""
        settings, facts = self._settings, self._facts
        packet = QmqpReader(settings.message_size_limit, settings.line_length_limit)
        content = _Content(intake, self._received())
        while packet.part is not Part.NOTHING:
            try:
                async with asyncio.timeout(settings.qmqpd_timeout):
                    octets = await self._reader.read(_CHUNK)
                if not octets:
                    raise EOFError
                content.write(packet.feed(octets))
            except QmqpError as error:
                raise _Refused(Verdict.REFUSED, str(error), self._note(str(error))) from None
            except (OSError, EOFError) as error:
                what = "read/write timeout" if isinstance(error, TimeoutError) else "lost connection"
                self._ports.emit(self._note(f"{what} while receiving {packet.part}"))
                raise
        content.end()
        facts.sender = packet.sender.decode("utf-8", "surrogateescape")
        return packet

    def _received(self) -> bytes:
        settings = self._settings
        return received(
            self._facts, myhostname=settings.myhostname, mail_name=settings.mail_name, queue_id=self._facts.queue_id,
            date=self._dates(self._ports.clock()), recipient=None, show_tls=False, asked_for_certificate=False, show_login=False,
        )  # fmt: skip

    def _envelope(self, packet: QmqpReader) -> Envelope:
        """Raises _Refused where an address cannot be one."""
        sender, verp = with_verp(self._facts.sender or "", self._settings.verp_delimiter_filter)
        addresses = [octets.decode("utf-8", "surrogateescape") for octets in packet.recipients]
        wrong = "malformed address" if any(map(_CONTROL.search, (sender, *addresses))) else ""
        wrong = wrong or ("" if addresses else "no recipients specified")
        if wrong:
            raise _Refused(Verdict.REFUSED, f"Error: {wrong}", self._note(f"Error: {wrong}", "warning"))
        attrs = attributes(self._facts, None, "local", "")
        recipients = [recipient(address, f"rfc822;{address}", 0) for address in addresses]
        return envelope(Sender(sender, verp=verp), recipients, [], attrs, self._settings.content_filter)

    async def _admit(self, intake: Intake, wanted: Envelope) -> str:
        try:
            admitted = await intake.admit(wanted, dropped=False)
        except QueueUnavailable as failure:
            log = self._note(f"queue file write error: {failure}", "warning")
            raise _Refused(Verdict.LATER, "Error: queue file write error", log) from None
        outcome = admitted.outcome
        if outcome is None or outcome.ok:
            return f"Ok: queued as {self._facts.queue_id}"
        verdict = Verdict.REFUSED if outcome.cls is Class.PERMANENT else Verdict.LATER
        text = f"Error: {outcome.enhanced} {outcome.text.removeprefix('Error: ')}"
        raise _Refused(verdict, text, self._note(text, "warning"))

    def _note(self, text: str, severity: str = "") -> Note:
        return Note(_ORIGIN, f"{self._facts.queue_id}: {self._facts.client}: {text}", severity)


class _Content:
    """A message whose lines end in LF, on its way to an intake that takes lines in CR LF. `header`: goes before it."""

    def __init__(self, intake: Intake, header: bytes) -> None:
        self._intake = intake
        self._first = b""
        self._started = False
        self._last = b"\n"
        intake.write(header)

    def write(self, octets: bytes) -> None:
        if self._started:
            self._pass_on(octets)
            return
        self._first += octets
        if len(self._first) >= _FIRST_LINE:
            self._start()

    def end(self) -> None:
        """The message is complete: a last line without an end gets one."""
        if not self._started:
            self._start()
        if self._last != b"\n":
            self._intake.write(b"\r\n")

    def _start(self) -> None:
        self._started = True
        if self._first[:1] and (first := mended(self._first)) is not self._first:
            self._intake.write(first.removesuffix(self._first))
        self._pass_on(self._first)

    def _pass_on(self, octets: bytes) -> None:
        if octets:
            self._last = octets[-1:]
            self._intake.write(octets.replace(b"\n", b"\r\n"))


def with_verp(sender: str, allowed: str) -> tuple[str, str]:
    """A sender, and the VERP delimiters that its form `prefix-@origin-@[]` asks for (VERP_README); empty: none. `allowed`:
    verp_delimiter_filter."""
    before, at, origin = sender.removesuffix("-@[]").rpartition("@")
    if not sender.endswith("-@[]") or not at or before[-1:] not in allowed or not before[:-1]:
        return sender, ""
    return f"{before[:-1]}@{origin}", f"{before[-1]}="
