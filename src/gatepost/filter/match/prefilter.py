"""Which patterns may match a text, all asked at once: one Hyperscan database of a set of patterns, in prefilter mode, in which what
Hyperscan cannot do exactly becomes something broader. What is named may match, what is not named does not.

The database is made of patterns once, and kept as octets (compiled.py); they belong to a processor and a release of Hyperscan, so
that reading them may fail. Patterns that Hyperscan does not take are always named. Without Hyperscan all are.
"""

import functools
import importlib
import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from gatepost.filter.match.pattern import Pattern
from gatepost.lookup import pcre2

_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_OF_LINES: Final = {b"A": b"^", b"Z": b"$", b"z": b"$"}
"""Anchors that see only the first or last of several texts, and those that see each: a text begins and ends with a line."""

_COUNT: Final = re.compile(rb"(?<!\\)(?<!\\[xgko])\{(\d+)(,?)(\d*)\}")
_COUNTED: Final = 12
_FEW: Final = 4
"""A repeat of more than _COUNTED becomes one of any number, from _FEW on at most."""
_LONG: Final = 600
_COUNTED_IF_LONG: Final = 2
"""The same for patterns of so many octets, from 1 on: their parts are long too, and Hyperscan takes what becomes too large for it
for something that matches nearly everywhere."""
_LONGEST: Final = 20_000
"""Octets of a pattern beyond which it is looked for alone."""

FEWEST: Final = 6
"""So many patterns are worth a database: fewer are confirmed as fast."""


class Compiled(Struct, frozen=True):
    """The octets of a database, empty where there is none, and the patterns, by their index, that are always to be confirmed."""

    database: bytes
    always: tuple[int, ...]


@functools.cache
def _library() -> Any:
    """Hyperscan; None where it is not installed, or not for this processor."""
    try:
        return importlib.import_module("hyperscan")
    except ImportError:
        return None


def is_there() -> bool:
    """Whether Hyperscan is installed."""
    return _library() is not None


def version() -> str:
    """What databases depend on, besides the processor."""
    library = _library()
    return library.__version__ if library else ""


def compiled(patterns: Sequence[Pattern], *, over_all: bool) -> Compiled:
    """Make the database of these: seconds of work. `over_all`: it is to search texts that follow each other."""
    library = _library()
    every = range(len(patterns))
    if library is None or len(patterns) < FEWEST:
        return Compiled(b"", tuple(every))
    able = [index for index in every if _may_take(patterns[index].rough, over_all)]
    try:
        database = _database(library, patterns, able, over_all)
    except library.HyperscanError:  # it does not say of which
        able = [index for index in able if _takes(library, patterns[index], over_all)]
        database = _database(library, patterns, able, over_all) if able else None
    always = tuple(sorted(set(every).difference(able)))
    return Compiled(library.dumpb(database) if database else b"", always)


def _may_take(rough: bytes, over_all: bool) -> bool:
    return 0 < len(rough) <= _LONGEST and not (over_all and b"\\G" in rough)


def _takes(library: Any, pattern: Pattern, over_all: bool) -> bool:
    try:
        _database(library, (pattern,), (0,), over_all)
    except library.HyperscanError:
        return False
    return True


def _broader(rough: bytes, over_all: bool) -> bytes:
    """The same without counting far, which takes Hyperscan seconds and much memory; where several texts follow each other, with
    anchors that see each of them."""
    counted, few = (_COUNTED_IF_LONG, 1) if len(rough) > _LONG else (_COUNTED, _FEW)

    def repeat(found: re.Match[bytes]) -> bytes:
        least, most = int(found[1]), int(found[3] or 0)
        return found[0] if max(least, most) <= counted else b"{%d,}" % min(least, few)

    counted_less = _COUNT.sub(repeat, rough)
    if not over_all:
        return counted_less
    return _ESCAPE.sub(lambda found: _OF_LINES.get(found[1], found[0]), counted_less)


def _database(library: Any, patterns: Sequence[Pattern], indices: Sequence[int], over_all: bool) -> Any:
    database = library.Database(mode=library.HS_MODE_BLOCK)
    database.compile(
        expressions=[_broader(patterns[index].rough, over_all) for index in indices],
        ids=list(indices),
        elements=len(indices),
        flags=[_flags(library, patterns[index].options, over_all) for index in indices],
    )
    return database


def _flags(library: Any, options: int, over_all: bool) -> int:
    flags: int = library.HS_FLAG_PREFILTER | library.HS_FLAG_SINGLEMATCH | library.HS_FLAG_ALLOWEMPTY
    if options & pcre2.CASELESS:
        flags |= library.HS_FLAG_CASELESS
    if options & pcre2.DOTALL:
        flags |= library.HS_FLAG_DOTALL
    if options & pcre2.MULTILINE or over_all:
        flags |= library.HS_FLAG_MULTILINE
    return flags


class Prefilter:
    """A database at work. Raises ValueError where its octets are not of this machine's Hyperscan: make it anew."""

    def __init__(self, made: Compiled) -> None:
        self._always = made.always
        self._scan = None
        if made.database:
            library = _library()
            if library is None:
                raise ValueError("Hyperscan is not installed")
            try:
                self._database = library.loadb(made.database, library.HS_MODE_BLOCK)
                self._database.scratch = library.Scratch(self._database)
            except library.HyperscanError as error:
                raise ValueError(f"a database of another Hyperscan: {error}") from None
            self._scan = self._database.scan

    def candidates(self, text: bytes) -> list[int]:
        """The indices of those that may match, in order."""
        found = list(self._always)
        if self._scan is not None:
            self._scan(text, match_event_handler=lambda index, *_: found.append(index))
        found.sort()
        return found
