"""What a filter says: its verdict on a step, and at the end of a message what it wants changed (SMFIR_*)."""

import enum
import re
from collections.abc import Callable

from msgspec import Struct

from gatepost.proto.exchange import ProtocolError
from gatepost.proto.milter.packets import NUL, Packet, packet, split_strings


class Verdict(enum.Enum):
    """What is to become of a step. REPLY: as the text of the answer says, which is a refusal."""

    CONTINUE = "c"
    ACCEPT = "a"
    REJECT = "r"
    TEMPFAIL = "t"
    REPLY = "y"
    DISCARD = "d"
    SKIP = "s"
    SHUTDOWN = "4"
    CONNECTION_FAILED = "f"


PROGRESS = ord("p")
"""A filter is still at work: whoever waits goes on waiting."""


class Addition(Struct, frozen=True):
    """A header at the end."""

    name: bytes
    value: bytes


class Insertion(Struct, frozen=True):
    """A header before the one at `position`, counted from 0."""

    position: int
    name: bytes
    value: bytes


class Change(Struct, frozen=True):
    """Another value for the `number`th header of that name, from 1 (0 means 1); empty: the header goes."""

    number: int
    name: bytes
    value: bytes


class BodyPiece(Struct, frozen=True):
    """A piece of another body, which all of them make up."""

    octets: bytes


class NewSender(Struct, frozen=True):
    """Another sender, in `<...>`, and ESMTP parameters."""

    address: bytes
    parameters: bytes = b""


class NewRecipient(Struct, frozen=True):
    """One recipient more, in `<...>`, and ESMTP parameters."""

    address: bytes
    parameters: bytes = b""


class NoRecipient(Struct, frozen=True):
    """A recipient less."""

    address: bytes


class Quarantine(Struct, frozen=True):
    """The message is to be held. `reason`: for the log."""

    reason: bytes


Edit = Addition | Insertion | Change | BodyPiece | NewSender | NewRecipient | NoRecipient | Quarantine


class Answer(Struct, frozen=True):
    """The answer to a step. `reply`: lines of a REPLY, without line ends; `edits`: at the end of a message, in order."""

    verdict: Verdict
    reply: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


CONTINUES = Answer(Verdict.CONTINUE)
"""What nearly all answers are."""
CONTINUES_PACKET = packet(ord(Verdict.CONTINUE.value))

_VERDICTS = {ord(verdict.value): verdict for verdict in Verdict}
_REPLY_LINE = re.compile(r"([45])[0-9][0-9](?:[ -](?!(?!\1)[0-9]\.[0-9]{1,3}\.[0-9]{1,3}(?: |$))[\t -~\x80-\udcff]*)?")
"""A code, and a text that does not begin with an enhanced status code of another class."""


def verdict(one: Packet) -> Answer | None:
    """The verdict that a packet is, None for another packet. Raises ProtocolError where its reply is no refusal."""
    letter, data = one
    kind = _VERDICTS.get(letter)
    if kind is None:
        return None
    return Answer(kind, _reply(data) if kind is Verdict.REPLY else ())


_REPLY_LIMIT = 65536
"""Octets of a reply; libmilter makes at most 32 lines of 980 octets (smfi_setmlreply)."""


def _reply(data: bytes) -> tuple[str, ...]:
    """The lines of an SMTP reply, which all have the same code of 4xx or 5xx (RFC 5321 §4.2)."""
    if len(data) > _REPLY_LIMIT:
        raise ProtocolError(f"a reply of more than {_REPLY_LIMIT} octets")
    texts = split_strings(data)
    lines = texts[0].decode("utf-8", "surrogateescape").replace("\r\n", "\n").rstrip("\n").split("\n") if texts else []
    if not lines or any(not _REPLY_LINE.fullmatch(line) or line[:3] != lines[0][:3] for line in lines):
        raise ProtocolError("a reply that is no SMTP reply of 4xx or 5xx")
    return tuple(lines)


def _pair(data: bytes) -> tuple[bytes, bytes]:
    texts = split_strings(data)
    if not texts:
        raise ProtocolError("an edit without its address")
    return texts[0], texts[1] if len(texts) > 1 else b""


def _header(data: bytes) -> tuple[bytes, bytes]:
    texts = split_strings(data)
    if len(texts) != 2 or not texts[0]:
        raise ProtocolError("a header that is no name and value")
    return texts[0], texts[1]


def _number(data: bytes) -> int:
    if len(data) < 4:
        raise ProtocolError("a header without its number")
    return int.from_bytes(data[:4], "big")


def _one(data: bytes) -> bytes:
    return data.partition(NUL)[0]


_EDITS: dict[int, Callable[[bytes], Edit]] = {
    ord("h"): lambda data: Addition(*_header(data)),
    ord("i"): lambda data: Insertion(_number(data), *_header(data[4:])),
    ord("m"): lambda data: Change(_number(data), *_header(data[4:])),
    ord("b"): BodyPiece,
    ord("e"): lambda data: NewSender(*_pair(data)),
    ord("+"): lambda data: NewRecipient(_one(data)),
    ord("2"): lambda data: NewRecipient(*_pair(data)),
    ord("-"): lambda data: NoRecipient(_one(data)),
    ord("q"): lambda data: Quarantine(_one(data)),
}


def edit(one: Packet) -> Edit:
    """The edit that a packet is. Raises ProtocolError where it is none. Whether it was agreed on is not asked: there are filters
    that announce less than they do, and Postfix takes what they do."""
    letter, data = one
    if (read := _EDITS.get(letter)) is None:
        raise ProtocolError(f"answer {chr(letter)!r}, which is unknown here")
    return read(data)
