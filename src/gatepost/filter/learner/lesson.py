"""What there is to learn from a message, as the octets that pass from the scanner to whoever has it learned.

A lesson: what tells the message from others (20 octets), how many features each group has, and their slots.
"""

import struct

from msgspec import Struct

from gatepost.filter.learner.features import GROUPS, MOST, SLOTS
from gatepost.filter.learner.model import Slots

_HEAD = struct.Struct(f"!20s{len(GROUPS)}H")


class Lesson(Struct, frozen=True):
    """`message`: what tells it from others."""

    message: bytes
    slots: Slots


def packed(lesson: Lesson) -> bytes:
    """A lesson as octets."""
    slots = [slot for group in lesson.slots for slot in group]
    return _HEAD.pack(lesson.message, *map(len, lesson.slots)) + struct.pack(f"!{len(slots)}I", *slots)


def unpacked(octets: bytes) -> Lesson:
    """The lesson of these octets. Raises ValueError where they are none."""
    if not _HEAD.size <= len(octets) <= _HEAD.size + 4 * MOST * len(GROUPS):
        raise ValueError(f"no lesson has {len(octets)} octets")
    message, *sizes = _HEAD.unpack_from(octets)
    if len(octets) != _HEAD.size + 4 * sum(sizes):
        raise ValueError("a lesson that is cut")
    slots = struct.unpack_from(f"!{sum(sizes)}I", octets, _HEAD.size)
    if any(slot >= SLOTS for slot in slots):
        raise ValueError("a lesson for a larger table")
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return Lesson(message, tuple(slots[end - size : end] for size, end in zip(sizes, ends, strict=True)))
