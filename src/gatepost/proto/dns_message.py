"""Questions to a name server and its answers, sans-IO (RFC 1035 §4): for names that the resolver library does not ask for.

Failure: ValueError for a name that cannot be asked for, BadReply for octets that are no reply.
"""

import ipaddress
import struct
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

_TYPES: Final[Mapping[str, int]] = {"A": 1, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28}
TYPES: Final = frozenset(_TYPES)
"""Types that can be asked for."""

NO_ERROR, NO_SUCH_NAME = 0, 3

_HEAD = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_RECURSION = 0x0100
_TRUNCATED = 0x0200
_INTERNET = 1
_NAME_LIMIT, _LABEL_LIMIT = 255, 63
_ALIASES_LIMIT, _JUMPS_LIMIT = 8, 16


class BadReply(Exception):
    """No reply to the question."""


class Record(Struct, frozen=True):
    """`owner`: its name, without the final dot; `value`: an address, a name, a text, or `(preference, name)` of an MX."""

    owner: str
    record: str
    ttl: int
    value: object


class Reply(Struct, frozen=True):
    """`code`: NO_ERROR, NO_SUCH_NAME or another RCODE; `records`: of the types that are known here."""

    code: int
    records: tuple[Record, ...]

    def found(self, name: str, record: str) -> tuple[Record, ...]:
        """The records of a type that `name` has, by aliases if need be."""
        owner = name.lower()
        for _ in range(_ALIASES_LIMIT):
            own = [one for one in self.records if one.owner.lower() == owner]
            if wanted := tuple(one for one in own if one.record == record):
                return wanted
            alias = next((str(one.value) for one in own if one.record == "CNAME"), None)
            if alias is None:
                break
            owner = alias.lower()
        return ()


def question(number: int, name: str, record: str) -> bytes:
    """The message that asks for a name in ASCII, `number` being its ID. Raises ValueError."""
    labels = name.encode("ascii").split(b".")
    if not all(0 < len(label) <= _LABEL_LIMIT for label in labels):
        raise ValueError("a label that is empty or too long")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > _NAME_LIMIT:
        raise ValueError("a name that is too long")
    return _HEAD.pack(number, _RECURSION, 1, 0, 0, 0) + wire + struct.pack("!2H", _TYPES[record], _INTERNET)


def is_reply(message: bytes, asked: bytes) -> bool:
    """Whether a message replies to the question `asked`, which may have more behind it (EDNS): it has its ID, and repeats it. Only
    an error may leave the question out."""
    if len(message) < _HEAD.size or message[:2] != asked[:2] or not message[2] & 0x80:
        return False
    if not _has_question(message):
        return message[3] & 0xF not in (NO_ERROR, NO_SUCH_NAME)
    end = _question_end(asked)
    name = slice(_HEAD.size, end - 4)
    return message[name].lower() == asked[name].lower() and message[end - 4 : end] == asked[end - 4 : end]


def is_truncated(message: bytes) -> bool:
    """Whether a reply says that it was too long for UDP."""
    return bool(message[2] & _TRUNCATED >> 8)


def _has_question(message: bytes) -> bool:
    return message[4:6] != b"\0\0"


def _question_end(asked: bytes) -> int:
    """Where the question of a message of ours ends."""
    offset = _HEAD.size
    while asked[offset]:
        offset += asked[offset] + 1
    return offset + 5


def read(message: bytes, asked: bytes) -> Reply:
    """What a message says. Raises BadReply."""
    if not is_reply(message, asked):
        raise BadReply("no reply to the question")
    if is_truncated(message):
        raise BadReply("a reply that is cut off")
    _, flags, _, answers, _, _ = _HEAD.unpack_from(message)
    records: list[Record] = []
    try:
        offset = _question_end(asked) if _has_question(message) else _HEAD.size
        for _ in range(answers):
            owner, offset = _name(message, offset)
            number, family, ttl, length = _RECORD.unpack_from(message, offset)
            offset += _RECORD.size
            if offset + length > len(message):
                raise BadReply("a record that is cut off")
            record = _NAMES.get(number)
            if record is not None and family == _INTERNET:
                records.append(Record(owner, record, ttl & 0x7FFFFFFF, _READ[record](message, offset, length)))
            offset += length
    except (struct.error, IndexError, ValueError) as error:
        raise BadReply(str(error)) from None
    return Reply(flags & 0xF, tuple(records))


def _name(message: bytes, offset: int) -> tuple[str, int]:
    """A name that may be compressed (§4.1.4), and where it ends. Pointers are few, so that there is an end soon."""
    labels: list[str] = []
    end, size, jumps = 0, 0, 0
    while length := message[offset]:
        if length >= 0xC0:
            end = end or offset + 2
            offset = (length & 0x3F) << 8 | message[offset + 1]
            jumps += 1
            if jumps > _JUMPS_LIMIT:
                raise BadReply("a name with too many pointers")
            continue
        label = message[offset + 1 : offset + 1 + length]
        size += length + 1
        if length > _LABEL_LIMIT or len(label) < length or size >= _NAME_LIMIT:
            raise BadReply("a name that is none")
        labels.append(label.decode("utf-8", "surrogateescape").replace(".", r"\."))
        offset += 1 + length
    return ".".join(labels), end or offset + 1


def _address(message: bytes, offset: int, length: int) -> str:
    return str(ipaddress.ip_address(message[offset : offset + length]))


def _alias(message: bytes, offset: int, length: int) -> str:
    return _name(message, offset)[0]


def _exchanger(message: bytes, offset: int, length: int) -> tuple[int, str]:
    return message[offset] << 8 | message[offset + 1], _name(message, offset + 2)[0]


def _text(message: bytes, offset: int, length: int) -> str:
    """The strings of a TXT record as one (RFC 7208 §3.3)."""
    text, end = b"", offset + length
    while offset < end:
        size = message[offset]
        if offset + 1 + size > end:
            raise BadReply("a text that is cut off")
        text += message[offset + 1 : offset + 1 + size]
        offset += 1 + size
    return text.decode("utf-8", "surrogateescape")


_NAMES = {number: name for name, number in _TYPES.items()}
_READ: Mapping[str, Callable[[bytes, int, int], object]] = {
    "A": _address,
    "AAAA": _address,
    "CNAME": _alias,
    "MX": _exchanger,
    "TXT": _text,
}
