"""Whole conversations: what a trusted neighbour tells of its client, and our client against a server that answers at random."""

from types import SimpleNamespace
from typing import Any, cast

from gatepost.admission.gates import Gates
from gatepost.admission.policy_gate import PolicyGate
from gatepost.policy.port import PERMIT, Facts, Stage, Verdict
from gatepost.proto.smtp.client import Answer, Client, ClientEvent, ClientStage, Dialect, Transaction
from gatepost.proto.smtp.commands import SMTP
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive import answer, proxying
from gatepost.receive.port import Lookups
from gatepost.receive.session_state import SessionState
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.transaction import Forwarded
from tests.fuzz.pieces import fields, octets, text
from tests.support.drive import drive
from tests.support.settings import default


def _state() -> SessionState:
    """A session whose client is a neighbour, with as many rooms around it as XCLIENT and XFORWARD ask."""
    lookups = Lookups(xclient_hosts=_everybody, xforward_hosts=_everybody)
    ports = cast(Any, SimpleNamespace(lookups=lookups, dialect=SMTP, gates=Gates((PolicyGate(_Permitting()),), _raised)))
    nothing_more = SimpleNamespace(core=SimpleNamespace(pending=0))
    return SessionState(ports, default(SmtpdSettings), cast(Any, nothing_more))


async def _everybody(name: str, address: str) -> bool:
    return True


def _raised(fault: BaseException, consequence: str) -> None:
    raise fault


class _Permitting:
    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        return PERMIT


def _refused(said: answer.Answer) -> bool:
    """Whether the client was refused; by a reply fit for any log."""
    assert said.reply is not None
    assert octets(said.reply.line).isprintable()
    assert len(said.reply.line) < 200
    return said.tally is answer.Tally.ERROR


def proxied_client(data: bytes) -> None:
    """XCLIENT and XFORWARD: what is taken is fit for a log and for restrictions; what is refused leaves nothing behind."""
    for argument in map(text, fields(data.replace(b"\n", b"").replace(b"\r", b""), 2)):
        session = _state()
        refused = _refused(drive(proxying.xforward(session, CommandLine("XFORWARD", argument, argument))))
        assert (session.forwarded is None) == refused
        session.forwarded = session.forwarded or Forwarded()
        drive(proxying.xforward(session, CommandLine("XFORWARD", argument, argument)))
        for name in Forwarded.__struct_fields__:
            value = getattr(session.forwarded, name)
            assert not isinstance(value, str) or octets(value).isprintable()
        _refused(drive(proxying.xclient(session, CommandLine("XCLIENT", argument, argument))))
        for name in Facts.__slots__:
            value = getattr(session.facts, name)
            assert not isinstance(value, str) or octets(value).isprintable()


_CODES = (b"250", b"250", b"250", b"250", b"354", b"354", b"450", b"550", b"421", b"220", b"503", b"299")


def conversation(data: bytes) -> None:
    """A server whose octets choose its answers: our client believes of every recipient what the server does, message by message."""
    manner, data = sum(data[:1]), data[1:]
    lmtp, recipients = bool(manner & 1), 1 + (manner >> 2) % 4
    server = _Server(data, lmtp=lmtp, pipelining=bool(manner & 2))
    client = Client(Dialect("client.example", lmtp=lmtp))
    client.receive(b"220 server.example ESMTP\r\n")
    event = _carry(client, server)
    for number in range(1 + (manner >> 4) % 4):
        if event not in (ClientEvent.READY, ClientEvent.FINISHED) or not client.usable:
            break
        server.taken.clear()
        transaction = Transaction(b"MAIL FROM:<>\r\n", [b"RCPT TO:<%d>\r\n" % at for at in range(recipients)])
        client.begin(transaction)
        event = _carry(client, server)
        if event is ClientEvent.CONTENT:
            event = client.content_sent()
            event = _carry(client, server, event, b"content %d\r\n.\r\n" % number)
        assert event is ClientEvent.FINISHED
        assert [at for at, answer in enumerate(transaction.answers) if answer and _took(answer)] == server.taken
        assert transaction.pending == []


def _took(answer: Answer) -> bool:
    return answer.stage is ClientStage.DOT and answer.reply.cls == 2


def _carry(client: Client, server: "_Server", event: ClientEvent = ClientEvent.WAIT, content: bytes = b"") -> ClientEvent:
    """Carry octets to and fro until our side has to act."""
    while event is ClientEvent.WAIT:
        said = content + client.take()
        content = b""
        assert said, "both wait"
        event = client.receive(server.answers(said))
    return event


class _Server:
    """A server that keeps the order of the RFCs, with codes out of `data`. `taken`: recipients of whom it has said so."""

    def __init__(self, data: bytes, *, lmtp: bool, pipelining: bool) -> None:
        self._codes = iter(data)
        self._lmtp = lmtp
        self._keyword = b"PIPELINING" if pipelining else b"HELP"
        self._mail = False
        self._accepted: list[int] = []
        self._in_content = False
        self.taken: list[int] = []

    def answers(self, said: bytes) -> bytes:
        return b"".join(self._answer(line) for line in said.split(b"\r\n")[:-1])

    def _code(self) -> bytes:
        return _CODES[next(self._codes, 0) % len(_CODES)]

    def _answer(self, line: bytes) -> bytes:
        if self._in_content:
            return self._end() if line == b"." else b""
        verb = line[:4]
        if verb in (b"EHLO", b"LHLO"):
            return b"250-server.example\r\n250 " + self._keyword + b"\r\n"
        code = self._code()
        if (verb == b"RCPT" and not self._mail) or (verb == b"DATA" and not self._accepted and code != b"354"):
            code = b"503"
        good = code.startswith(b"2")
        if verb == b"MAIL":
            self._mail, self._accepted = good, []
        elif verb == b"RCPT" and good:
            self._accepted.append(int(line[9:-1]))
        elif verb == b"RSET":
            self._mail, self._accepted = False, []
        elif verb == b"DATA":
            self._in_content = code == b"354"
        return code + b" said\r\n"

    def _end(self) -> bytes:
        """LMTP: a reply for each recipient (RFC 2033 §4.2)."""
        self._in_content = self._mail = False
        if not self._lmtp:
            code = self._code()
            self.taken += self._accepted if code.startswith(b"2") else []
            return code + b" said\r\n"
        codes = [self._code() for _ in self._accepted]
        self.taken += [at for at, code in zip(self._accepted, codes, strict=True) if code.startswith(b"2")]
        return b"".join(code + b" said\r\n" for code in codes)
