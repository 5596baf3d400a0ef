"""The text protocol of memcached, sans-IO, as far as a table needs it: get, set, delete (memcached's protocol.txt)."""

import re
from collections.abc import Iterable
from typing import TypeVar

from msgspec import Struct

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.table_answer import Refused, TableAnswer

T = TypeVar("T")

KEY_LIMIT = 250
"""Octets of a key."""

_KEY = re.compile(rb"[!-~\x80-\xff]{1,%d}" % KEY_LIMIT)
_ERRORS = (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR")


def is_key(key: bytes) -> bool:
    """Whether the server can have such a key: not empty, not too long, no blank and no control character, which would begin
    another argument or command."""
    return _KEY.fullmatch(key) is not None


class Sizes(Struct, frozen=True):
    """How much of an answer is taken. `line`, `data`: octets."""

    line: int
    data: int


class _Lines(Exchange[T]):
    """An exchange whose answer is lines."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._buffer = bytearray()
        self._searched = 0

    def _line(self) -> bytes | None:
        """The next line, without its end."""
        end = self._buffer.find(b"\n", self._searched, self._sizes.line + 2)
        if end < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) > self._sizes.line:
                raise ProtocolError(f"a line of more than {self._sizes.line} octets")
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._searched = 0
        return line


class MemcacheGet(_Lines[TableAnswer]):
    """The value of a key, for which `is_key` holds."""

    def __init__(self, key: bytes, sizes: Sizes) -> None:
        super().__init__(sizes)
        self._key = key
        self._value: bytes | None = None
        self._size: int | None = None

    def question(self) -> Iterable[bytes]:
        return (b"get " + self._key + b"\r\n",)

    def feed(self, octets: bytes) -> bytes:
        self._buffer += octets
        while not self.done:
            if self._size is not None:
                if not self._take_value(self._size):
                    break
            elif (line := self._line()) is None:
                break
            else:
                self._take_line(line)
        return b""

    def _take_line(self, line: bytes) -> None:
        words = line.split(b" ")
        if line == b"END":
            self.finish(self._value, reusable=not self._buffer)
        elif words[0] in _ERRORS:
            self.finish(Refused(line.decode("utf-8", "replace")), reusable=False)
        elif self._value is None and len(words) in (4, 5) and words[:2] == [b"VALUE", self._key] and words[3].isdigit():
            self._size = int(words[3][:12])
            if self._size > self._sizes.data:
                raise ProtocolError(f"a value of more than {self._sizes.data} octets")
        else:
            raise ProtocolError("an answer that is no value")

    def _take_value(self, size: int) -> bool:
        if len(self._buffer) < size + 2:
            return False
        if self._buffer[size : size + 2] != b"\r\n":
            raise ProtocolError("a value that is longer than was said")
        self._value, self._size = bytes(self._buffer[:size]), None
        del self._buffer[: size + 2]
        return True


class _Change(_Lines[TableAnswer]):
    """A change of a key: what the server says where it was made, None where it was not. `done_words`: what it says then."""

    done_words: frozenset[bytes]
    other_words: frozenset[bytes]

    def __init__(self, request: bytes, sizes: Sizes) -> None:
        super().__init__(sizes)
        self._request = request

    def question(self) -> Iterable[bytes]:
        return (self._request,)

    def feed(self, octets: bytes) -> bytes:
        self._buffer += octets
        if (line := self._line()) is not None:
            if line.startswith(_ERRORS):
                self.finish(Refused(line.decode("utf-8", "replace")), reusable=False)
            elif line in self.done_words | self.other_words:
                self.finish(line if line in self.done_words else None, reusable=not self._buffer)
            else:
                raise ProtocolError("an answer to no change")
        return b""


class MemcacheSet(_Change):
    """A value for a key, for `ttl` seconds."""

    done_words = frozenset((b"STORED",))
    other_words = frozenset((b"NOT_STORED",))

    def __init__(self, key: bytes, value: bytes, sizes: Sizes, *, flags: int = 0, ttl: int = 3600) -> None:
        super().__init__(b"set %s %d %d %d\r\n%s\r\n" % (key, flags, ttl, len(value), value), sizes)


class MemcacheDelete(_Change):
    """A key less."""

    done_words = frozenset((b"DELETED",))
    other_words = frozenset((b"NOT_FOUND",))

    def __init__(self, key: bytes, sizes: Sizes) -> None:
        super().__init__(b"delete %s\r\n" % key, sizes)
