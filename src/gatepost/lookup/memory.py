"""A table that is held in memory: what in-line, text and internal tables become once read."""

from collections.abc import Mapping


def fold(key: str) -> str:
    """A lookup key without regard to case: full Unicode case folding, as Postfix does with smtputf8_enable."""
    return key.lower() if key.isascii() else key.casefold()


class MemoryTable:
    """A mapping as a table. With `folded`, the keys of `entries` must be folded already."""

    __slots__ = ("_entries", "_folded", "name", "whole_key")

    def __init__(self, name: str, entries: Mapping[str, str], *, folded: bool = True) -> None:
        self.name = name
        self.whole_key = False
        self._entries = entries
        self._folded = folded

    async def lookup(self, key: str) -> str | None:
        return self._entries.get(fold(key) if self._folded else key)

    def items(self) -> list[tuple[str, str]]:
        """All entries, for `postmap -s`."""
        return list(self._entries.items())

    def close(self) -> None:
        self._entries = {}
