"""What smtpd says to a before-queue filter and hears from it, sans-IO: SMTP, one command at a time (SMTPD_PROXY_README)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gatepost.mail.address import to_bytes
from gatepost.mail.ascii_text import spaced_words, upper
from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.smtp.client_commands import capabilities, xtext
from gatepost.proto.smtp.replies import ServerReply
from gatepost.proto.smtp.reply_reader import MalformedReply, Oddity, Reply, ReplyReader, printable

ATTRIBUTES: Final = ("NAME", "ADDR", "PORT", "HELO", "IDENT", "PROTO", "SOURCE")
"""What XFORWARD tells of a client, in Postfix's order."""

_UNAVAILABLE: Final = "[UNAVAILABLE]"
_ROOM: Final = 498
"""Octets that attributes may take in one XFORWARD command: what RFC 821 left of a line, as Postfix counts it."""

_NO_TEXT: Final = str.maketrans(dict.fromkeys("\0\r\n", " "))


class Step(Exchange[Reply]):
    """A command and its reply. `command`: with its line end; empty: the filter's greeting is waited for. `oddities`: of the reply,
    for the log."""

    idempotent = False

    def __init__(self, command: bytes) -> None:
        self._command = command
        self.server_first = not command
        self._reader = ReplyReader()

    @property
    def oddities(self) -> list[Oddity]:
        return self._reader.oddities

    def question(self) -> Iterable[bytes]:
        return (self._command,) if self._command else ()

    def feed(self, octets: bytes) -> bytes:
        try:
            replies = self._reader.feed(octets)
        except MalformedReply as problem:
            raise ProtocolError(str(problem)) from None
        if replies:
            self.finish(replies[0], reusable=len(replies) == 1 and self._reader.empty)
        return b""


class Piece(Exchange[None]):
    """A piece of the content, which nobody answers: it is over when the network has taken it."""

    idempotent = False

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def question(self) -> Iterator[bytes]:
        yield self._octets
        self.finish(None)

    def feed(self, octets: bytes) -> bytes:
        raise ProtocolError("an answer before the end of the content")


def as_command(line: str) -> bytes:
    """A client's command as it is passed on: as it came, less what might end a line for somebody."""
    return to_bytes(line.translate(_NO_TEXT)) + b"\r\n"


def xforward(values: Mapping[str, str], hello: Reply) -> Iterator[bytes]:
    """The XFORWARD commands for a filter that answered EHLO so: every attribute that it asks for, also where there is no value
    (XFORWARD_README). `values`: by attribute; empty: none."""
    known = spaced_words(upper(capabilities(hello.lines, frozenset()).keywords.get("XFORWARD", "")))
    line = b""
    for name in ATTRIBUTES:
        if name in known:
            value = values.get(name)
            word = b" %b=%b" % (name.encode(), xtext(to_bytes(value)) if value else _UNAVAILABLE.encode())
            if line and len(line) + len(word) > _ROOM:
                yield b"XFORWARD%b\r\n" % line
                line = b""
            line += word
    if line:
        yield b"XFORWARD%b\r\n" % line


def passed_on(reply: Reply) -> ServerReply:
    """The filter's reply as one of ours, less lines that are none. An enhanced status code that all lines have is that of the
    reply, so that a footer gets it too (RFC 2034 §4)."""
    lines = [printable(line) for line in reply.lines] or [""]
    enhanced = reply.enhanced
    if not enhanced or not all(line.startswith(f"{enhanced} ") for line in lines):
        return ServerReply(reply.code, "", lines[0], tuple(lines[1:]))
    first, *more = (line.removeprefix(f"{enhanced} ") for line in lines)
    return ServerReply(reply.code, enhanced, first, tuple(more))
