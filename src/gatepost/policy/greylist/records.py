"""What is stored of a triplet, and of a client: small values in the shared state (state/port.py)."""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from gatepost.state.port import Entry, Space

TRIPLETS: Final = Space("greylist")
CLIENTS: Final = Space("greylist_client")


class Triplet(Struct, frozen=True, array_like=True):
    """Times in seconds since 1970.

    - `first`: of the first attempt;
    - `last`: of the latest that was written down, which is not each (judge.py);
    - `passed`: of the first that was let in, 0 for none yet;
    - `attempts`: that were written down;
    - `identity`: a digest of what answers for the client (its domain), sender and recipient, for the report; empty for nothing.
    """

    first: int
    last: int
    passed: int = 0
    attempts: int = 1
    identity: bytes = b""


class Client(Struct, frozen=True, array_like=True):
    """A client whose mail came back: how often, one an hour at most, and when it last counted."""

    count: int
    last: int


FOREVER: Final = 1 << 30
"""The count of a client that an administrator allows."""

Record = TypeVar("Record", Triplet, Client)
_encode = msgspec.msgpack.Encoder().encode
_decoders = {kind: msgspec.msgpack.Decoder(kind).decode for kind in (Triplet, Client)}


def encode(record: Triplet | Client) -> bytes:
    return _encode(record)


def decode(entry: Entry | None, kind: type[Record]) -> Record | None:
    """The record of an entry; None where there is none, or none that can be read."""
    if entry is None:
        return None
    try:
        record: Record = _decoders[kind](entry.value)  # type: ignore[assignment]
    except msgspec.MsgspecError:
        return None
    return record
