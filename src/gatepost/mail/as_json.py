"""Values of mail as one line of JSON, where MessagePack has no place for octets that are not UTF-8.

JSON can spell more than that: surrogates that stand for no octet. Whoever reads such a line back finds no text in it.
"""

import json
from typing import Any, TypeVar

import msgspec

from gatepost.mail.address import is_octets

T = TypeVar("T")


def write(value: Any) -> bytes:
    """`value`, a struct, as ASCII without a line end."""
    return json.dumps(msgspec.to_builtins(value)).encode("ascii")


def read(line: bytes, cls: type[T]) -> T:
    """What `write` wrote. Raises ValueError where it is not that (msgspec's errors are some)."""
    try:
        # As text: of octets, json would guess the encoding, and import a codec for it at the word of whoever wrote the line.
        raw = json.loads(line.decode("ascii"))
        if not is_octets(json.dumps(raw, ensure_ascii=False)):
            raise ValueError("a surrogate that stands for no octet")
        return msgspec.convert(raw, cls)
    except RecursionError:
        raise ValueError("nested too deeply") from None
