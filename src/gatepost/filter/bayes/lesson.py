"""What there is to learn from a message, as the octets that pass from the scanner to whoever has it learned.

A lesson: what tells the message from others (20 octets), seconds since 1970 (of its Date or arrival; 4 octets), and its tokens.
"""

import struct

from msgspec import Struct

from gatepost.filter.bayes.tokens import LENGTH, MOST

_HEAD = struct.Struct("!20sI")


class Lesson(Struct, frozen=True):
    """`message`: what tells it from others. `at`: seconds since 1970."""

    message: bytes
    at: int
    tokens: frozenset[bytes]


def packed(lesson: Lesson) -> bytes:
    """A lesson as octets."""
    return _HEAD.pack(lesson.message, max(0, min(lesson.at, 0xFFFFFFFF))) + b"".join(sorted(lesson.tokens))


def unpacked(octets: bytes) -> Lesson:
    """The lesson of these octets. Raises ValueError where they are none."""
    size = len(octets) - _HEAD.size
    if size < 0 or size % LENGTH or size > LENGTH * MOST:
        raise ValueError(f"no lesson has {len(octets)} octets")
    message, at = _HEAD.unpack_from(octets)
    starts = range(_HEAD.size, len(octets), LENGTH)
    return Lesson(message, at, frozenset(octets[start : start + LENGTH] for start in starts))
