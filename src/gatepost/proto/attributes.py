"""Records of attributes as Postfix's own services send them to one another, sans-IO, for either end.

A record is names and values in turn, each ended by a NUL; an empty name, which is one more NUL, ends the record. There is no
document of this form but Postfix's daemons themselves: it was taken down from what they send and take.
"""

from collections.abc import Iterable

END = b"\0"
"""Ends a record; alone, it is the empty record, which ends a stream of records."""

Record = tuple[tuple[str, str], ...]
"""(name, value) in their order; a name may come again."""


class ProtocolError(Exception):
    """The other end does not speak the protocol; the connection is of no more use."""


def attributes(pairs: Iterable[tuple[str, object]]) -> bytes:
    """Attributes on the wire, without the end of their record. A NUL within a value is sent as `?`."""
    text = "".join([f"{name}\0{str(value).replace(_NUL, '?')}\0" for name, value in pairs])
    return text.encode("utf-8", "surrogateescape")


def record(*pairs: tuple[str, object]) -> bytes:
    """A whole record on the wire."""
    return attributes(pairs) + END


_NUL = "\0"


class Reader:
    """Collects octets into records. `limit`: octets of one record, and so of what is kept here."""

    __slots__ = ("_limit", "_name", "_pairs", "_part", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._part: list[bytes] = []
        self._pairs: list[tuple[str, str]] = []
        self._name: str | None = None
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether part of a record has come in."""
        return self._size > 0

    def feed(self, octets: bytes) -> list[Record]:
        """The records that are complete now. Raises ProtocolError where one is too long."""
        records: list[Record] = []
        *ended, rest = octets.split(END)
        for text in ended:
            self._grow(len(text) + 1)
            self._part.append(text)
            self._take(b"".join(self._part).decode("utf-8", "surrogateescape"), records)
            self._part.clear()
        self._grow(len(rest))
        self._part.append(rest)
        return records

    def _take(self, text: str, records: list[Record]) -> None:
        if self._name is not None:
            self._pairs.append((self._name, text))
            self._name = None
        elif text:
            self._name = text
        else:
            records.append(tuple(self._pairs))
            self._pairs.clear()
            self._size = 0

    def _grow(self, octets: int) -> None:
        self._size += octets
        if self._size > self._limit:
            raise ProtocolError(f"a record of more than {self._limit} octets")
