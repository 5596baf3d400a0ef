"""What Bayes and the learner have in common when they are taught: how they know a message again, and what becomes of a lesson."""

from collections.abc import Iterable
from hashlib import sha1
from typing import Final

from msgspec import Struct

KEY: Final = 20
"""Octets of a key."""
_LASTING: Final = (b"message-id:", b"date:", b"from:", b"subject:")


class Taught(Struct, frozen=True):
    """What became of lessons: `learned` were new, `changed` had been learned as the other kind, `known` as this one."""

    learned: int = 0
    changed: int = 0
    known: int = 0


def total(taught: Iterable[Taught]) -> Taught:
    """All of them together."""
    every = list(taught)
    return Taught(sum(one.learned for one in every), sum(one.changed for one in every), sum(one.known for one in every))


def message_key(octets: bytes) -> bytes:
    """What tells a message from others: its body, and those of its headers that stay the same on every way."""
    header, _, body = octets.partition(b"\n\n")
    lasting = sorted(line for line in header.split(b"\n") if line.lower().startswith(_LASTING))
    return sha1(b"\n".join(lasting) + b"\n\n" + body).digest()
