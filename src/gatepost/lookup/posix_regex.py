"""The C library's regular expressions (regex(7)), as far as tables need them.

A search is told where matches may begin, which POSIX's regexec(3) cannot be: so GNU's re_search is called, which is what regexec
is made of. The library keeps each state that it ever was in, about 2 KB for an octet of a key at worst, and never forgets one:
so a pattern is compiled anew after a while. Matching without back-references takes time that grows with the square of the key;
with them there is no limit, and such patterns are another process's (pattern_process.py).
"""

import contextlib
import ctypes
import functools
import math
import os
import re
import resource
import signal
from collections.abc import Iterator, Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_ulong, c_void_p
from typing import Final

from gatepost.lookup.matching import Groups, Recipe, Subject, Unanswered, cut

EXTENDED: Final = 1
ICASE: Final = 2
NEWLINE: Final = 4
_NOSUB: Final = 8

LONGEST: Final = 8192
"""Octets of a key that this process searches; with longer ones the states of one search could be too many."""
_RENEWED: Final = 32 * 1024
"""Octets after which a pattern is compiled anew."""

_NO_MATCH: Final = -1
_OUT_OF_MEMORY: Final = 12  # REG_ESPACE
_TOO_BIG: Final = "Regular expression too big"
_ALL_CATEGORIES: Final = 0x1FBF  # of a locale (locale.h)
_BACK_REFERENCE: Final = re.compile(rb"(?:\A|[^\\])(?:\\\\)*\\[1-9]")
_INTERVAL: Final = re.compile(rb"\{(\d*),?(\d*)\\?\}")
_FEW_COPIES: Final = 1000
_TRIAL_MEMORY: Final = 64 << 20
_TRIAL_SECONDS: Final = 2.0


class _Buffer(ctypes.Structure):
    """regex_t (regex.h), with room for what a later version may add."""

    _fields_ = (
        ("buffer", c_void_p), ("allocated", c_ulong), ("used", c_ulong), ("syntax", c_ulong), ("fastmap", c_void_p),
        ("translate", c_void_p), ("groups", c_size_t), ("bits", c_uint), ("spare", c_ulong * 16),
    )  # fmt: skip


class _Registers(ctypes.Structure):
    """Where a match and its groups begin and end; the library allocates the arrays."""

    _fields_ = (("count", c_uint), ("start", POINTER(c_int)), ("end", POINTER(c_int)))


class _Library:
    def __init__(self) -> None:
        library = ctypes.PyDLL(None)  # keeps the interpreter's lock, which costs more than most searches
        self.compile = library.regcomp
        self.compile.argtypes = (POINTER(_Buffer), c_char_p, c_int)
        self.search = library.re_search  # without types: Python's integers are C's, and None is no pointer
        self.free = library.regfree
        self.free.argtypes = (POINTER(_Buffer),)
        self.free_array = library.free
        self.free_array.argtypes = (c_void_p,)
        self._error = library.regerror
        self._error.argtypes = (c_int, POINTER(_Buffer), c_char_p, c_size_t)
        self._use = library.uselocale
        self._use.restype, self._use.argtypes = c_void_p, (c_void_p,)
        library.newlocale.restype, library.newlocale.argtypes = c_void_p, (c_int, c_char_p, c_void_p)
        self._locale = library.newlocale(_ALL_CATEGORIES, b"C", None)

    @contextlib.contextmanager
    def plain_locale(self) -> Iterator[None]:
        """Characters are octets meanwhile: Postfix's daemons run in the C locale, Python in the user's."""
        before = self._use(self._locale)
        try:
            yield
        finally:
            self._use(before)

    def error_message(self, number: int) -> str:
        buffer = ctypes.create_string_buffer(256)
        self._error(number, None, buffer, len(buffer))
        return buffer.value.decode("ascii", "replace")


library = functools.cache(_Library)


class Expression:
    """A compiled pattern. `captures`: whether a match has to tell its groups."""

    __slots__ = ("_buffer", "_given", "_left", "_library", "_registers", "_search", "groups", "recipe", "starts")

    def __init__(self, pattern: bytes, flags: int, *, captures: bool) -> None:
        """Raises ValueError with what is wrong with the pattern."""
        self._library = library()
        self._search = self._library.search
        refers_back = _BACK_REFERENCE.search(pattern) is not None
        self.recipe = Recipe(pattern, flags if captures else flags | _NOSUB, captures, endless=refers_back)
        self.starts = True
        if _copies(pattern) > _FEW_COPIES and not _compiles_in_time(self.recipe):
            raise ValueError(_TOO_BIG)
        self._take(_compiled(self.recipe))
        self.groups = int(self._buffer.groups)

    def _take(self, buffer: _Buffer) -> None:
        self._left = _RENEWED
        self._buffer = buffer
        # The library allocates the arrays when it fills them for the first time since the pattern was compiled.
        self._registers = _Registers()
        self._given = byref(self._registers) if self.recipe.captures else None

    def _renew(self) -> None:
        buffer = _compiled(self.recipe)
        self._free()
        self._take(buffer)

    def search(self, subject: Subject) -> Groups | None:
        size = subject.size
        self._left -= size
        if self._left < 0:
            self._renew()
        return self._found(self._search(byref(self._buffer), subject.octets, size, 0, size, self._given), subject.octets)

    def search_between(self, subject: Subject, start: int, count: int, *, thorough: bool) -> Groups | None:
        size = subject.size
        self._left -= size
        if self._left < 0:
            self._renew()
        # A range of n allows n + 1 beginnings, and the end of the key is one of them.
        most = min(count - 1, size - start)
        return self._found(self._search(byref(self._buffer), subject.octets, size, start, most, self._given), subject.octets)

    def _found(self, found: int, octets: bytes) -> Groups | None:
        if found == _NO_MATCH:
            return None
        if found < 0:
            raise Unanswered(self._library.error_message(_OUT_OF_MEMORY))
        return () if self._given is None else cut(octets, self.offsets())

    def offsets(self) -> Sequence[int]:
        """Where the last match and its groups began and ended; -1 twice for a group that took no part. For one that captures."""
        start, end = self._registers.start, self._registers.end
        return [offset for number in range(self.groups + 1) for offset in (start[number], end[number])]

    def apart(self, subject: Subject) -> Recipe | None:
        return self.recipe if self.recipe.endless or subject.size > LONGEST else None

    def _free(self) -> None:
        self._library.free(byref(self._buffer))
        self._library.free_array(self._registers.start)
        self._library.free_array(self._registers.end)

    def __del__(self) -> None:
        if hasattr(self, "_buffer"):
            self._free()


def _compiled(recipe: Recipe) -> _Buffer:
    """Raises ValueError."""
    buffer = _Buffer()
    with library().plain_locale():
        failed = library().compile(byref(buffer), recipe.pattern, recipe.flags)
    if failed:
        raise ValueError(library().error_message(failed))
    return buffer


def _copies(pattern: bytes) -> int:
    """How often the library may copy what is repeated a counted number of times: `((a{9}){9}){9}` becomes 729 of them."""
    return math.prod(max(1, int(low or 0), int(high or 0)) for low, high in _INTERVAL.findall(pattern))


def _compiles_in_time(recipe: Recipe) -> bool:
    """Whether a child process can compile it within bounds; a mistake in the pattern is not its business."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _TRIAL_SECONDS)
        limit_memory(_TRIAL_MEMORY)
        buffer = _Buffer()
        os._exit(library().compile(byref(buffer), recipe.pattern, recipe.flags) == _OUT_OF_MEMORY)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def limit_memory(more: int) -> None:
    """Let this process have `more` octets than it has now, and no more. Without /proc, what it has cannot be known."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
    except OSError:
        return
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
