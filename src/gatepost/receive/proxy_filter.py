"""The before-queue filter (smtpd_proxy_filter; SMTPD_PROXY_README): a message on its way through it, which it answers for.

Purpose: pass a client's commands and content on to the filter, and the filter's replies back.
Contract: one Passage a message, opened with the first recipient, or with MAIL; whatever it returns is what the client hears, None
where the filter consents. What has been written goes out with `onward`, which waits while the filter takes no more.
Failure: whatever the filter does wrong, the log has it and the client hears `451 4.3.0 Error: queue file write error`.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Protocol

from msgspec import Struct

from gatepost.admission.staging import THRESHOLD
from gatepost.mail.content import CHUNK
from gatepost.net.stream_client import Session, StreamClient
from gatepost.net.stream_port import StreamFailure, Trouble
from gatepost.proto.exchange import Exchange
from gatepost.proto.smtp.dot_stuffing import Encoder
from gatepost.proto.smtp.proxy_filter import Piece, Step, as_command, passed_on, xforward
from gatepost.proto.smtp.replies import ServerReply, reply_of
from gatepost.proto.smtp.reply_reader import LINE_LIMIT, Odd, Reply
from gatepost.proto.smtp.server_replies import WRITE_ERROR

FAILED: Final = reply_of(WRITE_ERROR)
"""What the client hears of a filter that fails: none of its business what is wrong."""

_WELL: Final = 2
_CONTENT: Final = 3


class ProxyFilter(Struct, frozen=True):
    """The filter of a service.

    - `name`: as the configuration has it, for the log.
    - `ehlo`: how we announce ourselves.
    - `client`: of its server, which sets the time limits.
    - `waits`: it is spoken to only when a message has come whole (speed_adjust).
    - `folder`: where a message is until then.
    - `warn`: takes lines for the log.
    """

    name: str
    ehlo: str
    client: StreamClient
    waits: bool
    folder: Callable[[], Path]
    warn: Callable[[str], None]

    def passage(self, mail: str) -> "Passage":
        """A way through it for a message. `mail`: the client's MAIL command."""
        command = as_command(mail)
        return WaitingPassage(self, command) if self.waits else DirectPassage(self, command)


class Verdict(Struct, frozen=True):
    """How the filter answered the whole message. `reply`: what the client hears; `taken`: the message is the filter's now;
    `logged`: its words for the log."""

    reply: ServerReply
    taken: bool
    logged: str


_NO_VERDICT: Final = Verdict(FAILED, taken=False, logged=FAILED.line)


class Client(Struct, frozen=True):
    """Who hands the message in. `address`: for whom the connection is; `told`: what XFORWARD tells the filter, by attribute."""

    address: str
    told: Mapping[str, str]


class Passage(Protocol):
    """The way of one message."""

    @property
    def opened(self) -> bool:
        """Whether the filter, or the file for the message, is there."""
        ...

    async def open(self, client: Client) -> ServerReply | None:
        """MAIL. After a refusal it may be tried again."""
        ...

    async def recipient(self, line: str) -> ServerReply | None:
        """RCPT. `line`: the client's."""
        ...

    async def data(self, line: str) -> ServerReply | None:
        """DATA. `line`: the client's."""
        ...

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        """The next octets of the content, canonical; kept until `onward`."""
        ...

    async def onward(self) -> None:
        """What was written is on its way."""
        ...

    async def finish(self) -> Verdict:
        """The content is complete."""
        ...

    def abort(self) -> None:
        """Forget the message, whatever has become of it."""
        ...


class DirectPassage:
    """A connection to the filter from the first recipient on: the client's commands and content go on as they come."""

    __slots__ = ("_encoder", "_filter", "_mail", "_pieces", "_sending", "_session", "opened")

    def __init__(self, proxy: ProxyFilter, mail: bytes) -> None:
        self._filter = proxy
        self._mail = mail
        self._session: Session | None = None
        self._encoder = Encoder(0)
        self._pieces: list[bytes] = []
        self._sending = False
        self.opened = False

    async def open(self, client: Client) -> ServerReply | None:
        try:
            refusal = FAILED if await self._say_hello(client) is not None else await self._command(self._mail)
            self.opened = refusal is None
        finally:  # also where the session ends meanwhile, which knows of no transaction before the answer to MAIL
            if not self.opened:
                self.abort()
        return refusal

    async def _say_hello(self, client: Client) -> ServerReply | None:
        """What comes before MAIL; a refusal of that is the filter's and ours to settle, and no answer to MAIL."""
        try:
            self._session = await self._filter.client.begin(client.address)
        except StreamFailure as failure:
            self._filter.warn(f"connect to proxy filter {self._filter.name}: {failure}")
            return FAILED
        refusal = await self._command(b"")
        if refusal is not None:
            return refusal
        hello = b"EHLO %b\r\n" % self._filter.ehlo.encode("utf-8", "replace")
        reply = await self._ask(hello)
        if reply is None or (refusal := self._unless(reply, _WELL, hello)) is not None:
            return FAILED
        for command in xforward(client.told, reply):
            if (refusal := await self._command(command)) is not None:
                return refusal
        return None

    async def recipient(self, line: str) -> ServerReply | None:
        return await self._command(as_command(line))

    async def data(self, line: str) -> ServerReply | None:
        refusal = await self._command(as_command(line), _CONTENT)
        self._sending = refusal is None
        return refusal

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        if self._session is not None:
            self.write_encoded(self._encoder.encode(chunk))

    def write_encoded(self, octets: bytes) -> None:
        """The same of what has its dots doubled."""
        if octets:
            self._pieces.append(octets)

    async def onward(self) -> None:
        if self._pieces:
            octets = b"".join(self._pieces)
            self._pieces.clear()
            await self._run(Piece(octets))

    async def finish(self) -> Verdict:
        self.write_encoded(self._encoder.finish())
        return await self.finish_encoded()

    async def finish_encoded(self) -> Verdict:
        """The same where the final dot is written."""
        *pieces, last = self._pieces
        self._pieces = pieces
        await self.onward()
        self._sending = False
        reply = await self._ask(last)
        return _NO_VERDICT if reply is None else _verdict(reply)

    def abort(self) -> None:
        session, self._session = self._session, None
        self._pieces.clear()
        if session is None:
            return
        if self._sending:
            session.stream.close()  # in the middle of the content, where QUIT is but a line of it
        elif not session.stream.closed:
            session.tell(b"QUIT\r\n")
        session.end()

    # --- the filter ---

    async def _command(self, command: bytes, wanted: int = _WELL) -> ServerReply | None:
        """Say a command; why it is refused."""
        reply = await self._ask(command)
        return FAILED if reply is None else self._unless(reply, wanted, command)

    def _unless(self, reply: Reply, wanted: int, command: bytes) -> ServerReply | None:
        """The refusal that a reply is, unless it is of the class that is `wanted`. One that neither takes nor refuses is none that
        a client could be told."""
        if reply.cls == wanted:
            return None
        said = command.removesuffix(b"\r\n").decode("utf-8", "replace") or "connection request"
        self._filter.warn(f'proxy {self._filter.name} rejected "{said}": "{reply.text}"')
        return passed_on(reply) if reply.cls in (4, 5) else FAILED

    async def _ask(self, command: bytes) -> Reply | None:
        """The reply, None where none comes."""
        step = Step(command)
        await self._run(step)
        for oddity in step.oddities:
            self._filter.warn(_odd(self._filter.name, oddity.kind, oddity.start))
        return step.answer if step.done else None

    async def _run(self, exchange: Exchange[Any]) -> None:
        """Do it, unless the filter is lost; then the log has why."""
        if self._session is None:
            return
        try:
            await self._session.ask(exchange)
        except StreamFailure as failure:
            self._filter.warn(_lost(self._filter.name, failure))
            self.abort()


class WaitingPassage:
    """The message comes whole into a file before the filter is spoken to (speed_adjust): of a slow client the filter sees nothing.
    So all replies of the filter are answers to the whole message, and the first refusal counts."""

    __slots__ = ("_client", "_commands", "_content", "_encoder", "_failed", "_filter", "_mail", "_through", "opened")

    def __init__(self, proxy: ProxyFilter, mail: bytes) -> None:
        self._filter = proxy
        self._mail = mail
        self._client = Client("", {})
        self._commands: list[str] = []
        self._encoder = Encoder(0)
        self._content: SpooledTemporaryFile[bytes] | None = None
        self._failed = False
        self._through: DirectPassage | None = None
        self.opened = False

    async def open(self, client: Client) -> ServerReply | None:
        self._client, self.opened = client, True
        return None

    async def recipient(self, line: str) -> ServerReply | None:
        self._commands.append(line)
        return None

    async def data(self, line: str) -> ServerReply | None:
        self._commands.append(line)
        self._content = SpooledTemporaryFile(THRESHOLD, dir=str(self._filter.folder()))  # noqa: SIM115
        return None

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        self._write(self._encoder.encode(chunk))

    def _write(self, octets: bytes) -> None:
        """A disk that is full does not end the session: the rest is thrown away."""
        if self._failed or self._content is None:
            return
        try:
            self._content.write(octets)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._failed = True
        self._filter.warn(f"temporary file for proxy filter {self._filter.name}: {error.strerror or error}")

    async def onward(self) -> None: ...

    async def finish(self) -> Verdict:
        self._write(self._encoder.finish())
        if self._failed:
            return _NO_VERDICT
        through = self._through = DirectPassage(self._filter, self._mail)
        *recipients, data = self._commands
        refusal = await through.open(self._client)
        for line in recipients:
            refusal = refusal or await through.recipient(line)
        refusal = refusal or await through.data(data)
        if refusal is not None:
            return Verdict(refusal, taken=False, logged=refusal.logged)
        return await self._send(through)

    async def _send(self, through: DirectPassage) -> Verdict:
        try:
            for piece in self._pieces():
                await through.onward()  # what came before; the last piece, with the dot, waits for its answer
                through.write_encoded(piece)
        except OSError as error:
            self._give_up(error)
            return _NO_VERDICT
        return await through.finish_encoded()

    def _pieces(self) -> Iterator[bytes]:
        assert self._content is not None
        self._content.seek(0)
        while piece := self._content.read(CHUNK):
            yield piece

    def abort(self) -> None:
        content, self._content = self._content, None
        through, self._through = self._through, None
        if content is not None:
            content.close()
        if through is not None:
            through.abort()


def _verdict(reply: Reply) -> Verdict:
    """What the answer to the content comes to. The log has the filter's words also where the client cannot be told them."""
    told = passed_on(reply)
    logged = told.logged if told.more else reply.text
    taken = reply.cls == _WELL
    return Verdict(told if taken or reply.cls in (4, 5) else FAILED, taken, logged)


def _lost(name: str, failure: StreamFailure) -> str:
    """What the log says of a filter that fails in the middle."""
    words = {Trouble.TIMEOUT: f"timeout talking to proxy {name}", Trouble.CLOSED: f"lost connection with proxy {name}"}
    return words.get(failure.trouble, f"proxy {name}: {failure}")


def _odd(name: str, kind: Odd, start: str) -> str:
    if kind is Odd.NOISE:
        return f"received garbage from proxy {name}: {start}"
    return f"proxy {name}: response longer than {LINE_LIMIT}: {start[:30]}..."
