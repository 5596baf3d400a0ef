"""Values of mail as bytes in a database and back: envelopes as MessagePack, texts as SQLite takes them.

Addresses may hold surrogate escapes (octets that are not UTF-8), which neither MessagePack nor SQLite takes as text:
such an envelope is written as JSON, which can escape them, and such a text as a BLOB of its octets.
"""

import json
from typing import Any

import msgspec

from gatepost.mail import as_json
from gatepost.mail.address import from_bytes, is_octets, to_bytes
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Outcome

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode
_JSON_START = ord("{")


def pack(envelope: Envelope) -> bytes:
    """`envelope` as bytes. Raises ValueError where it holds text that is no octets."""
    try:
        return b"m" + _encode(envelope)
    except UnicodeEncodeError:
        line = as_json.write(envelope)
        as_json.read(line, Envelope)  # what could not be read back is not stored
        return line


def unpack(data: bytes) -> Envelope:
    """The envelope that `pack` wrote. Raises ValueError (msgspec's errors are some) where it is not one."""
    if data and data[0] == _JSON_START:
        return as_json.read(data, Envelope)
    try:
        return _decode(memoryview(data)[1:])
    except RecursionError:
        raise ValueError("nested too deeply") from None


def text_of(value: str) -> str | bytes:
    """`value` as SQLite stores it, for people to read; what stands for no octet becomes a question mark."""
    return value if value.isascii() else _beyond_ascii(value)


def _beyond_ascii(value: str) -> str | bytes:
    try:
        value.encode()
    except UnicodeEncodeError:
        return to_bytes(value if is_octets(value) else _printable(value))
    return value


def as_text(stored: object) -> str:
    """What `text_of` stored; of what a damaged row holds instead, some text to show."""
    if isinstance(stored, bytes):
        return from_bytes(stored)
    return stored if isinstance(stored, str) else "" if stored is None else str(stored)


def pack_outcome(outcome: Outcome) -> str:
    """An outcome as JSON, for the ledger; octets that are not UTF-8 become question marks."""
    try:
        return msgspec.json.encode(outcome).decode()
    except UnicodeEncodeError:
        return json.dumps(_printed(msgspec.to_builtins(outcome)))


def _printed(value: Any) -> Any:
    """`value` with `_printable` texts, however deep they lie."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {name: _printed(each) for name, each in value.items()}
    return [_printed(each) for each in value] if isinstance(value, list | tuple) else value


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def unpack_outcome(data: str) -> Outcome:
    """What `pack_outcome` wrote. Raises ValueError where it is not an outcome."""
    return msgspec.json.decode(data, type=Outcome)
