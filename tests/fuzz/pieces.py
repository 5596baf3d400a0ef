"""The same octets in different packets: a core must not notice."""

import random
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

SHORT = 64
"""Octets up to which an input comes octet by octet, too: of longer ones most of the time would go there."""


def packets(data: bytes) -> Iterator[list[bytes]]:
    """`data` whole, octet by octet where it is short, and cut at places that the octets themselves choose."""
    yield [data]
    if len(data) <= SHORT:
        yield [data[at : at + 1] for at in range(len(data))]
    chance = random.Random(zlib.crc32(data))
    cuts = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(1, 6)))
    yield [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def same(data: bytes, run: Callable[[list[bytes]], T]) -> T:
    """What `run` makes of the packets, which is the same however they are cut."""
    whole, *others = (run(cut) for cut in packets(data))
    for other in others:
        assert other == whole, f"cut otherwise:\n{other!r}\nwhole:\n{whole!r}"
    return whole


def fields(data: bytes, count: int) -> list[bytes]:
    """`count` parts of `data`, which NULs part; the last has the rest."""
    parts = data.split(b"\0", count - 1)
    return parts + [b""] * (count - len(parts))


def text(data: bytes) -> str:
    """Octets as our text."""
    return data.decode("utf-8", "surrogateescape")


def without_blanks(value: str, blanks: str = " \t\r\n\v\f") -> str:
    """`value` less its white space: that of C, which is all that Postfix knows."""
    return value.translate(dict.fromkeys(map(ord, blanks)))


def octets(value: str) -> str:
    """`value`, which must be writable as octets."""
    value.encode("utf-8", "surrogateescape")
    return value
