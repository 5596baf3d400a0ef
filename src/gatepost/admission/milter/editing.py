"""What a filter wants changed, as edits of a draft."""

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import BinaryIO, Final

from gatepost.admission.draft import EditImpossible
from gatepost.admission.edits import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    DeleteHeader,
    DeleteRecipient,
    Edit,
    InsertHeader,
    ReplaceBody,
)
from gatepost.mail.address import from_bytes
from gatepost.mail.ascii_text import upper
from gatepost.mail.content import CHUNK
from gatepost.mail.envelope import Notify, Recipient
from gatepost.proto.exchange import ProtocolError
from gatepost.proto.milter import answers
from gatepost.proto.smtp import grammar
from gatepost.proto.smtp.notify import notify_bits

Warn = Callable[[str], None]
"""Tells the log of what a filter asks for and does not get."""

_IN_MEMORY: Final = 65536
"""Octets of another body that are kept in memory; a larger one waits in a file."""


class NewBody:
    """Another body, collected as its pieces come: in memory while it is small, then in a file, which `spare` opens. `limit`: octets
    that it may have, 0 for any number."""

    def __init__(self, limit: int, spare: Callable[[], BinaryIO]) -> None:
        self._limit = limit
        self._spare = spare
        self._file: BinaryIO | None = None
        self.size = 0

    @property
    def begun(self) -> bool:
        """Whether there is one."""
        return self._file is not None

    def take(self, piece: bytes) -> None:
        """The next piece. Raises ProtocolError where it is too much, OSError where it cannot be kept."""
        before, self.size = self.size, self.size + len(piece)
        if 0 < self._limit < self.size:
            raise ProtocolError(f"another body of more than {self._limit} octets")
        if self._file is None:
            self._file = BytesIO()
        if before <= _IN_MEMORY < self.size:
            held, self._file = self._file, self._spare()
            held.seek(0)
            self._file.write(held.read())
        self._file.write(piece)

    def chunks(self) -> Iterator[bytes]:
        """Its octets in wire form. Raises OSError."""
        file = self._file
        assert file is not None, "there is one"
        file.seek(0)
        return wire_form(iter(lambda: file.read(CHUNK), b""))

    def close(self) -> None:
        """Forget it."""
        if self._file is not None:
            self._file.close()
            self._file = None


_STRAY_CR = re.compile(rb"\r(?!\n)")
_STRAY_LF = re.compile(rb"(?<!\r)\n")


def wire_form(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of any text with CRLF at their ends. A CR alone becomes a blank."""
    held = b""
    for chunk in chunks:
        piece, held = held + chunk, b""
        if piece.endswith(b"\r"):
            piece, held = piece[:-1], b"\r"
        if not piece.count(b"\r\n") == piece.count(b"\r") == piece.count(b"\n"):
            piece = _STRAY_LF.sub(b"\r\n", _STRAY_CR.sub(b" ", piece))
        if piece:
            yield piece
    if held:
        yield b" "


class Editing:
    """Makes edits of what one filter wants for one message. Positions of headers count our own Received, too, of which no filter is
    told; numbers among those of its name do not, as in Postfix.

    `own`: whether there is such a header; `verbatim`: values of headers have the blanks that stand before them.
    """

    def __init__(self, *, own: bool, verbatim: bool, warn: Warn) -> None:
        self._own = own
        self._verbatim = verbatim
        self._warn = warn

    def edits(self, wanted: Iterable[answers.Edit], body: NewBody) -> tuple[Edit, ...]:
        """The edits, in order, the body last. Raises EditImpossible."""
        made = [edit for one in wanted if (edit := self._edit(one)) is not None]
        if body.begun:
            made.append(ReplaceBody(body.chunks))
        return tuple(made)

    def _edit(self, wanted: answers.Edit) -> Edit | None:
        match wanted:
            case answers.Addition(name, value):
                return AddHeader(name, self._text(value), verbatim=True)
            case answers.Insertion(position, name, value):
                return InsertHeader(position, name, self._text(value), verbatim=True)
            case answers.Change(number, name, value):
                number = max(number, 1) + (self._own and name.lower() == b"received")
                return ChangeHeader(name, number, self._text(value), verbatim=True) if value else DeleteHeader(name, number)
            case answers.NewSender(address, parameters):
                return self._sender(_address(address), parameters)
            case answers.NewRecipient(address, parameters):
                return self._recipient(_address(address), parameters)
            case answers.NoRecipient(address):
                return DeleteRecipient(_address(address))
        return None

    def _text(self, value: bytes) -> bytes:
        """What stands after the colon: lines that do not go on with a blank are made to, and empty ones go."""
        first, *more = [line for line in _LINE_END.split(value.replace(b"\0", b"")) if line.strip(b" \t")] or [b""]
        text = b"\r\n".join((first, *(line if line[:1] in (b" ", b"\t") else b"\t" + line for line in more)))
        return text if self._verbatim else b" " + text

    def _sender(self, address: str, parameters: bytes) -> ChangeSender:
        ret, envid = "", ""
        for parameter in from_bytes(parameters).split():
            name, _, value = parameter.partition("=")
            if upper(name) == "RET" and upper(value) in ("FULL", "HDRS"):
                ret = upper(value)
            elif upper(name) == "ENVID" and (decoded := grammar.xtext(value)) and decoded.isascii() and decoded.isprintable():
                envid = decoded
            else:
                self._warn(f'ignoring bad ESMTP parameter "{parameter[:100]}" of another sender')
        return ChangeSender(address, ret, envid)

    def _recipient(self, address: str, parameters: bytes) -> AddRecipient:
        """Whoever is added is nobody whom the sender knows: he is told nothing, unless the filter says so."""
        notify, orcpt = Notify.NEVER, ""
        for parameter in from_bytes(parameters).split():
            name, _, value = parameter.partition("=")
            if upper(name) == "NOTIFY" and (bits := notify_bits(value)):
                notify = bits
            elif upper(name) == "ORCPT" and (decoded := grammar.original_recipient(value)):
                orcpt = decoded
            else:
                self._warn(f'ignoring bad ESMTP parameter "{parameter[:100]}" of another recipient')
        return AddRecipient(Recipient(address, address, orcpt, notify))


_LINE_END = re.compile(rb"\r\n|\r|\n")


def _address(octets: bytes) -> str:
    """An address in internal form, as RCPT writes it or without the brackets. Raises EditImpossible."""
    address = grammar.path(from_bytes(octets))
    if address is None:
        raise EditImpossible(f"{octets[:100]!r} is no address")
    return address
