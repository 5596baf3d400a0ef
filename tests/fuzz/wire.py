"""Cores of gatepost.proto: what comes over the wire from strangers."""

import re

from gatepost.content.downgrade import downgraded
from gatepost.mail.address import external
from gatepost.mail.mime import Limits
from gatepost.proto import attributes, dns_message, policy_delegation
from gatepost.proto.exchange import ProtocolError
from gatepost.proto.proxy import ProxyError, ProxyReader
from gatepost.proto.qmqp import Part, QmqpError, QmqpReader
from gatepost.proto.smtp import grammar, replies
from gatepost.proto.smtp.client import Client, ClientEvent, ClientStage, Dialect, Transaction
from gatepost.proto.smtp.client_commands import MailParameters, mail_from, rcpt_to, xtext
from gatepost.proto.smtp.data import BdatReader, DataReader, LineEnds
from gatepost.proto.smtp.dot_stuffing import Encoder, encoded
from gatepost.proto.smtp.proxy_filter import Step, as_command, passed_on, xforward
from gatepost.proto.smtp.replies import ServerReply
from gatepost.proto.smtp.reply_reader import LINE_LIMIT, MalformedReply, Reply, ReplyReader
from gatepost.proto.smtp.server import CommandLine, DataChunk, ServerCore
from tests.fuzz.pieces import fields, octets, packets, same, text, without_blanks

_ENDS = tuple(LineEnds)


def server(data: bytes) -> None:
    """Commands and contents are the same however they come; DATA and BDAT change what follows."""
    manner, data = data[:1], data[1:]
    ends = _ENDS[sum(manner) % len(_ENDS)]

    def run(packets: list[bytes]) -> tuple[list[object], int]:
        core = ServerCore(64)
        found: list[object] = []
        for packet in packets:
            core.feed(packet)
            while (event := core.next_event()) is not None:
                if isinstance(event, DataChunk) and found and isinstance(found[-1], bytes):
                    found[-1] += event.data
                else:
                    found.append(event.data if isinstance(event, DataChunk) else event)
                if isinstance(event, CommandLine):
                    _obey(core, event, ends)
        return found, core.pending > 64

    for event in same(data, run)[0]:
        if isinstance(event, CommandLine):
            assert len(octets(event.line)) <= 64
            assert "\n" not in event.line
            assert " " not in event.verb
            octets(event.argument)


def _obey(core: ServerCore, command: CommandLine, ends: LineEnds) -> None:
    if command.verb == "DATA":
        core.read_data(DataReader(ends))
    elif command.verb == "BDAT" and command.argument.isascii() and command.argument[:4].isdigit():
        core.read_chunk(BdatReader(ends), int(command.argument[:4]))


def data(data: bytes) -> None:
    """Content after DATA is canonical, and what follows its end is not content."""
    for ends in LineEnds:
        for blank in (True, False):

            def run(packets: list[bytes], ends: LineEnds = ends, blank: bool = blank) -> tuple[bytes, bytes, bool, bool]:
                reader = DataReader(ends, blank_cr=blank)
                out, rest = b"", b""
                for packet in packets:
                    if reader.ended:
                        rest += packet
                    else:
                        out += reader.feed(packet)
                        rest += reader.rest
                assert reader.size == len(out)
                return out, rest, reader.ended, reader.bare_newline

            out, rest, ended, _ = same(data, run)
            _canonical(out, blank=blank)
            assert data.endswith(rest)
            assert len(out) <= 2 * len(data)
            assert not ended or not out or out.endswith(b"\r\n")


def _canonical(content: bytes, *, blank: bool) -> None:
    lines = content.split(b"\r\n")
    assert not any(b"\n" in line for line in lines)
    assert not blank or not any(b"\r" in line for line in lines[:-1])


def bdat(data: bytes) -> None:
    """The same of BDAT; BINARYMIME changes nothing."""
    for ends in LineEnds:
        for binary in (True, False):

            def run(packets: list[bytes], ends: LineEnds = ends, binary: bool = binary) -> tuple[bytes, bool]:
                reader = BdatReader(ends, binary=binary)
                out = b"".join([*(reader.feed(packet) for packet in packets), reader.finish()])
                assert reader.size == len(out)
                assert reader.received == len(data)
                return out, reader.bare_newline

            out, _ = same(data, run)
            if binary:
                assert out == data
            else:
                _canonical(out, blank=True)


def dot_stuffing(data: bytes) -> None:
    """What is sent ends once, reads back as it was, and no line is longer than it may be."""
    content = b"".join(line.replace(b"\r", b"") + b"\r\n" for line in data.split(b"\n"))
    sent = same(content, lambda packets: b"".join(encoded(packets, Encoder(0))))
    assert sent.find(b"\r\n.\r\n") in (len(sent) - 5, -1)
    reader = DataReader(LineEnds.STRICT)
    assert (reader.feed(sent), reader.ended, reader.rest) == (content, True, b"")
    short = same(content, lambda packets: b"".join(encoded(packets, Encoder(10))))
    assert max(map(len, short.split(b"\r\n"))) <= 11  # a doubled dot is no part of the line
    assert short.replace(b"\r\n ", b"").count(b"\r\n") <= sent.count(b"\r\n")
    assert short.endswith(b".\r\n")


def downgrade(data: bytes) -> None:
    """The 7-bit form does not depend on the pieces, and does not grow beyond what quoted-printable costs."""
    content = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    out = same(content, lambda packets: b"".join(downgraded(packets, Limits())))
    assert len(out) <= 4 * len(content) + 64 * (content.count(b"\n") + 2)


def reply_reader(data: bytes) -> None:
    """Replies are the same however they come; each is bounded, and printable where it is shown."""

    def run(packets: list[bytes]) -> tuple[list[object], bool]:
        reader = ReplyReader()
        found: list[object] = []
        try:
            for packet in packets:
                found += reader.feed(packet)
        except MalformedReply as error:
            found.append(str(error))
        return found, reader.empty

    for reply in same(data, run)[0]:
        if not isinstance(reply, str):
            assert 0 <= reply.code <= 999
            assert reply.text.isprintable()
            assert re.fullmatch(r"(?:[245]\.\d{1,3}\.\d{1,3})?", reply.enhanced)
            assert sum(map(len, reply.lines)) <= 3 * LINE_LIMIT


def client(data: bytes) -> None:
    """Whatever a server says, the client goes on, ends or calls it malformed; every recipient gets at most one answer."""
    manner, data = data[:1], data[1:]
    bits = sum(manner)
    for pieces in packets(data):
        core = Client(Dialect("client.example", lmtp=bool(bits & 1), ehlo=("always", "never", "offered")[bits // 2 % 3]))
        transaction = Transaction(b"MAIL FROM:<>\r\n", [b"RCPT TO:<a@b.c>\r\n"] * 3, probe=ClientStage.RCPT if bits & 8 else None)
        try:
            for piece in pieces:
                event = core.receive(piece)
                for _ in range(20):
                    if event is ClientEvent.WAIT:
                        break
                    event = _act(core, event, transaction, tls=bool(bits & 16))
        except MalformedReply:
            pass
        sent = core.take()
        assert sent.count(b"\r\n") == len(sent.split(b"\r\n")) - 1
        assert len(transaction.answers) == 3
        assert set(transaction.pending) <= {0, 1, 2}


def _act(core: Client, event: ClientEvent, transaction: Transaction, *, tls: bool) -> ClientEvent:
    if event is ClientEvent.READY and tls and "STARTTLS" in core.offered:
        core.start_tls()
    elif event is ClientEvent.TLS and core.refusal is None:
        core.secured()
        core.hello()
    elif event in (ClientEvent.READY, ClientEvent.CHALLENGE) and core.stage is ClientStage.IDLE:
        core.begin(transaction)
    elif event is ClientEvent.CONTENT:
        return core.content_sent()
    elif event in (ClientEvent.FINISHED, ClientEvent.REFUSED) and not core.quitting:
        core.quit()
    return ClientEvent.WAIT


def commands(data: bytes) -> None:
    """Arguments of commands are read without losing the text, and what is read can be sent again as one line."""
    line = text(data.replace(b"\n", b"").replace(b"\r", b""))
    words = grammar.words(line)
    assert without_blanks("".join(words)) == without_blanks(line)
    for word in [line, *words]:
        for strict in (True, False):
            address = grammar.path(word, strict=strict)
            if address is not None:
                assert len(octets(address)) <= len(word) + word.count("[")
                command = mail_from(external(address).encode("utf-8", "surrogateescape"), MailParameters(), NOTHING)
                assert command.count(b"\r\n") == 1
        decoded = grammar.xtext(word)
        if decoded is not None:
            assert len(octets(decoded)) <= len(word)
            again = xtext(decoded.encode("utf-8", "surrogateescape")).decode()
            assert grammar.xtext(again) == decoded
        original = grammar.original_recipient(word)
        if original is not None:
            command = rcpt_to(b"a@b", octets(original), 0, DSN)
            assert command.count(b"\n") == 1
            assert command.isascii()
        grammar.is_header(word)
        assert "\n" not in grammar.printable(word)


NOTHING = Client(Dialect("x")).offered
DSN = type(NOTHING)({"DSN": ""})


def paths(data: bytes) -> None:
    """An address that is written in external form reads back as it was."""
    local, domain = fields(data, 2)
    kept = re.sub(r"[\x00-\x1f\x7f]", "", text(local))
    address = f"{kept}@{re.sub(r'[^a-z0-9.-]', 'x', text(domain).lower()) or 'x'}"
    if kept and ".." not in address and not re.search(r"(?:^|@)[.-]|[.-](?:@|$)|[.]-|-[.]", address):
        assert grammar.path(f"<{external(address)}>") == address


def reply_lines(data: bytes) -> None:
    """No text forges a line of a reply."""
    reply, footer, value = map(text, fields(data, 3))
    for wire in (
        replies.wire(ServerReply(550, "", reply)),
        replies.with_footer(ServerReply(550, "5.7.1", reply), footer, {"x": value}),
    ):
        assert wire.endswith(b"\r\n")
        for line in wire[:-2].split(b"\r\n"):
            assert re.match(rb"550[ -]", line)
            assert b"\n" not in line


def dns(data: bytes) -> None:
    """An answer of a name server is read or refused; names and texts can be written as octets."""
    asked = dns_message.question(0, "a+b.test", "TXT")
    head = asked[:2] + b"\x81\x80\0\1" + data[:2].rjust(2, b"\0") + b"\0\0\0\0"
    try:
        reply = dns_message.read(head + asked[12:] + data[2:], asked)
    except dns_message.BadReply:
        return
    for one in reply.records:
        assert len(one.owner) <= 2 * 255
        str(one.value).encode("utf-8", "surrogateescape")
    assert set(reply.found("a+b.test", "TXT")) <= set(reply.records)


def proxy(data: bytes) -> None:
    """A PROXY header is read or refused, and what follows it is left alone."""

    def run(packets: list[bytes]) -> object:
        reader = ProxyReader()
        rest = b""
        try:
            for packet in packets:
                rest += packet if reader.done else reader.feed(packet)
        except ProxyError:
            return "refused"
        return reader.done, reader.proxied, rest

    same(data, run)


def policy(data: bytes) -> None:
    """Attributes of the policy protocol, and back."""

    def run(packets: list[bytes]) -> list[dict[str, str]]:
        reader = policy_delegation.Reader()
        return [found for packet in packets for found in reader.feed(packet)]

    for found in same(data, run):
        assert run([policy_delegation.encode(found)]) in ([found], [{k: v.translate(_SAFE) for k, v in found.items()}])


_SAFE = str.maketrans("\r\0", "??")


def postfix_attributes(data: bytes) -> None:
    """Records of Postfix's own services, and back."""

    def run(packets: list[bytes]) -> list[object]:
        reader = attributes.Reader(1000)
        found: list[object] = []
        try:
            for packet in packets:
                found += reader.feed(packet)
        except attributes.ProtocolError:
            return ["too long"]
        return found

    for record in same(data, run):
        if not isinstance(record, str):
            assert run([attributes.record(*record)]) == [record]


def qmqp(data: bytes) -> None:
    """What a client sends is the same however it comes, and is bounded; a packet that is well made reads back."""
    manner, data = sum(data[:1]), data[1:]
    _read_qmqp(data)
    message, sender, *recipients = fields(data, 2 + manner % 4)
    read = _read_qmqp(_netstring(b"".join(map(_netstring, (message, sender, *recipients)))))
    if len(message) <= _MESSAGE and all(len(address) <= _ADDRESS for address in (sender, *recipients)):
        assert read == (message, sender, recipients, Part.NOTHING if recipients else Part.RECIPIENT) or not recipients


_MESSAGE, _ADDRESS = 300, 60


def _netstring(octets: bytes) -> bytes:
    return b"%d:%b," % (len(octets), octets)


def _read_qmqp(data: bytes) -> object:
    """All that was read, or what is wrong with it."""

    def run(packets: list[bytes]) -> object:
        reader, content = QmqpReader(_MESSAGE, _ADDRESS), b""
        try:
            for packet in packets:
                content += reader.feed(packet)
        except QmqpError as error:
            assert octets(str(error)).isprintable()
            return str(error)
        assert len(content) <= _MESSAGE
        assert all(len(address) <= _ADDRESS for address in (reader.sender, *reader.recipients))
        return content, reader.sender, reader.recipients, reader.part

    return same(data, run)


def proxy_filter(data: bytes) -> None:
    """Whatever a before-queue filter answers is told to a client in whole lines, and a client's line is one command."""
    line, said = fields(data, 2)
    command = as_command(text(line))
    assert not set(command[:-2]) & {0, 10, 13}

    def run(packets: list[bytes]) -> object:
        step = Step(b"DATA\r\n")
        for packet in packets:
            try:
                step.feed(packet)
            except ProtocolError:
                return None
            if step.done:
                return step.answer
        return None

    reply = same(said, run)
    if isinstance(reply, Reply) and reply.cls in (2, 4, 5):  # others are not passed on
        lines = replies.wire(passed_on(reply)).removesuffix(b"\r\n").split(b"\r\n")
        assert all(line[:3] == lines[-1][:3] and line[3:4] in (b" ", b"-") for line in lines)
        assert [line[3:4] for line in lines] == [b"-"] * (len(lines) - 1) + [b" "]
        assert all(len(one) <= 512 for one in xforward({"HELO": text(line)[:100]}, reply) if b" NAME=" in one)
