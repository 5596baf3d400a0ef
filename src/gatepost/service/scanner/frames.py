"""What goes over a scanner's connection: one question, one answer. Requests and facts are MessagePack.

A question is two lengths (of the request and of the content, each 32 bits, network order), the request and the content. An answer
is its kind, its length, and facts, or a text: why there are none.
"""

import struct
from typing import Final

import msgspec

from gatepost.filter.facts import Facts, Request

QUESTION: Final = struct.Struct(">II")
ANSWER: Final = struct.Struct(">II")
MOST_REQUEST: Final = 1 << 22
"""Octets of a request: a message may have thousands of recipients."""
MOST_ANSWER: Final = 1 << 24
"""Octets of an answer."""

_FACTS, _FAILURE = range(2)


class Garbage(ValueError):
    """What came is none of these."""


def question(request: Request, size: int) -> bytes:
    """What goes before `size` octets of content."""
    octets = msgspec.msgpack.encode(request)
    return QUESTION.pack(len(octets), size) + octets


def asked(octets: bytes) -> Request:
    """The request of a question. Raises Garbage."""
    try:
        return msgspec.msgpack.decode(octets, type=Request)
    except msgspec.MsgspecError as error:
        raise Garbage(f"no request: {error}") from None


def answer(facts: Facts) -> bytes:
    """The facts, for the way back."""
    octets = msgspec.msgpack.encode(facts)
    if len(octets) > MOST_ANSWER:
        return failure(f"its facts have {len(octets)} octets")
    return ANSWER.pack(_FACTS, len(octets)) + octets


def failure(why: str) -> bytes:
    """That there are none."""
    octets = why.encode("utf-8", "replace")[:1000]
    return ANSWER.pack(_FAILURE, len(octets)) + octets


def coming(head: bytes) -> tuple[bool, int]:
    """Whether facts come after this head of an answer, and their octets. Raises Garbage."""
    kind, size = ANSWER.unpack(head)
    if kind not in (_FACTS, _FAILURE) or size > MOST_ANSWER:
        raise Garbage("no length of an answer")
    return kind == _FACTS, size


def facts(octets: bytes) -> Facts:
    """Those of an answer. Raises Garbage."""
    try:
        return msgspec.msgpack.decode(octets, type=Facts)
    except msgspec.MsgspecError as error:
        raise Garbage(f"no facts: {error}") from None
