"""The PCRE2 library, as far as tables need it (pcre2api(3)): compiled patterns whose matches are bounded.

The calls keep the interpreter's lock: most take less than a microsecond, and what a call may do is limited. Arguments are
values of C's types, made beforehand where they are the same each time, since converting them costs more than a match.
"""

import ctypes
import functools
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from typing import Any, Final

from gatepost.lookup.matching import Groups, Subject, TooMuch, Unanswered, cut

LIBRARY: Final = "libpcre2-8.so.0"

ANCHORED: Final = 0x80000000
CASELESS: Final = 0x00000008
DOLLAR_ENDONLY: Final = 0x00000010
DOTALL: Final = 0x00000020
EXTENDED: Final = 0x00000080
MULTILINE: Final = 0x00000400
UNGREEDY: Final = 0x00040000
_USE_OFFSET_LIMIT: Final = 0x00800000

_NO_MATCH: Final = -1
_JIT_STACK_LIMIT: Final = -46
_MORE_WORK: Final = frozenset((_JIT_STACK_LIMIT, -47))  # -47: the match limit
_INFO_ALL_OPTIONS: Final = 0
_INFO_CAPTURE_COUNT: Final = 4
_INFO_MATCH_EMPTY: Final = 13
_JIT_COMPLETE: Final = c_uint32(1)
_NO_JIT: Final = c_uint32(0x2000)
_SUBSTITUTE_ALL: Final = c_uint32(0x100)

QUICK: Final = 50_000
"""Steps back that a search may take from each offset at first: some 50 microseconds."""
THOROUGH: Final = 10_000_000
"""The same for a thorough search: the library's own default, and so Postfix's; some 10 ms, without machine code 80 ms."""
_DEPTH: Final = 1_000_000
_HEAP: Final = 64 * 1024
"""KiB that one match may take (Postfix: 20 GB)."""
_JIT_STACK: Final = 1 << 20
_AT_ONCE: Final = 2048
"""Octets of texts that are searched, or whose matches are counted, without a look at the clock in between."""

_ZERO: Final = c_size_t(0)
_PLAIN: Final = c_uint32(0)
_UNSET: Final = c_size_t(-1)


class LibraryMissing(Exception):
    """The library is not installed; the message says what to do."""


class _Library:
    """The functions that are called, and what all matches share. `quick`, `limited` and `thorough` say how much work a match may
    be; for the latter two, where it may begin is set before each."""

    def __init__(self) -> None:
        try:
            library = ctypes.PyDLL(LIBRARY)
        except OSError:
            raise LibraryMissing(f"{LIBRARY} cannot be loaded: install PCRE2 (Debian: libpcre2-8-0)") from None

        def function(name: str, result: Any, *arguments: Any) -> Any:
            found = library[f"pcre2_{name}_8"]
            found.restype = result
            if arguments:
                found.argtypes = arguments
            return found

        self.compile = function("compile", c_void_p, c_char_p, c_size_t, c_uint32, POINTER(c_int), POINTER(c_size_t), c_void_p)
        self.jit_compile = function("jit_compile", c_int, c_void_p, c_uint32)
        self.info = function("pattern_info", c_int, c_void_p, c_uint32, POINTER(c_uint32))
        self.match_data = function("match_data_create_from_pattern", c_void_p, c_void_p, c_void_p)
        self.offsets = function("get_ovector_pointer", c_void_p, c_void_p)
        self.free_code = function("code_free", None, c_void_p)
        self.free_match_data = function("match_data_free", None, c_void_p)
        self.set_offset_limit = function("set_offset_limit", c_int, c_void_p, c_size_t)
        self.match = function("match", c_int)
        self.substitute = function("substitute", c_int)
        self.substituted = ctypes.create_string_buffer(_AT_ONCE + 1)
        self._error_message = function("get_error_message", c_int, c_int, c_char_p, c_size_t)
        self._new_context = function("match_context_create", c_void_p, c_void_p)
        self._limits = [function(f"set_{what}_limit", c_int, c_void_p, c_uint32) for what in ("match", "depth", "heap")]
        self._assign_stack = function("jit_stack_assign", None, c_void_p, c_void_p, c_void_p)
        self._stack = function("jit_stack_create", c_void_p, c_size_t, c_size_t, c_void_p)(32768, _JIT_STACK, None)
        self.quick = self._context(QUICK)
        self.limited = self._context(QUICK)
        self.thorough = self._context(THOROUGH)

    def _context(self, limit: int) -> c_void_p:
        context = self._new_context(None)
        for set_limit, value in zip(self._limits, (limit, _DEPTH, _HEAP), strict=True):
            set_limit(context, value)
        self._assign_stack(context, None, self._stack)
        return c_void_p(context)

    def error_message(self, number: int) -> str:
        buffer = ctypes.create_string_buffer(256)
        self._error_message(number, buffer, len(buffer))
        return buffer.value.decode("ascii", "replace")


library = functools.cache(_Library)


def missing() -> str:
    """Why there is no PCRE2, empty where there is."""
    try:
        library()
    except LibraryMissing as missing:
        return str(missing)
    return ""


class Expression:
    """A compiled pattern. `captures`: whether a match has to tell its groups."""

    __slots__ = ("_captures", "_code", "_data", "_library", "_match", "_offsets", "_quick", "_substantial", "groups", "starts")

    def __init__(self, pattern: bytes, options: int, *, captures: bool) -> None:
        """Raises ValueError with what is wrong with the pattern; LibraryMissing."""
        self._code = self._data = c_void_p()
        self._library = lib = library()
        error, offset = c_int(), c_size_t()
        code = lib.compile(pattern, len(pattern), options | _USE_OFFSET_LIMIT, byref(error), byref(offset), None)
        if code is None:
            raise ValueError(f"error in regex at offset {offset.value}: {lib.error_message(error.value)}")
        self._code = c_void_p(code)
        lib.jit_compile(code, _JIT_COMPLETE)  # where it fails, the interpreter does the work
        self._data = c_void_p(lib.match_data(code, None))
        self._captures = captures
        self._match = lib.match
        self._quick = lib.quick
        self.groups = self._info(_INFO_CAPTURE_COUNT)
        # What \G matches is where the search begins; verbs may end it, and (*UTF) wants it to begin with a character.
        self.starts = not self._info(_INFO_ALL_OPTIONS) & ANCHORED and b"\\G" not in pattern and b"(*" not in pattern
        self._substantial = not self._info(_INFO_MATCH_EMPTY) and b"\\K" not in pattern
        count = 2 * (self.groups + 1)
        self._offsets = (c_size_t * count).from_address(lib.offsets(self._data))

    def _info(self, what: int) -> int:
        found = c_uint32()
        self._library.info(self._code, what, byref(found))
        return found.value

    def search(self, subject: Subject) -> Groups | None:
        return self._searched(subject, _ZERO)

    def search_from(self, subject: Subject, start: int) -> Groups | None:
        """The first match that begins at `start` or later. Raises Unanswered; TooMuch where it takes more than a little work."""
        return self._searched(subject, c_size_t(start))

    def _searched(self, subject: Subject, start: c_size_t) -> Groups | None:
        found = self._match(self._code, subject.octets, subject.length, start, _PLAIN, self._data, self._quick)
        if found == _NO_MATCH:
            return None
        if found > 0:
            return cut(subject.octets, self._offsets[:]) if self._captures else ()
        if found in _MORE_WORK:
            raise TooMuch
        raise Unanswered(self._library.error_message(found))

    def passed_over(self, subjects: Sequence[Subject], first: int) -> tuple[int, bool]:
        """The index of the first of these texts, from `first` on, in which a match may be, and whether one is (`span` says where).
        A quick look at each, until so many octets are read that it is time for the clock."""
        match, code, data, quick, left = self._match, self._code, self._data, self._quick, _AT_ONCE
        for index in range(first, len(subjects)):
            subject = subjects[index]
            left -= subject.size + 1
            if left < 0:
                return index, False
            found = match(code, subject.octets, subject.length, _ZERO, _PLAIN, data, quick)
            if found != _NO_MATCH:
                return index, found > 0
        return len(subjects), False

    def count_from(self, subject: Subject, start: int) -> int | None:
        """How many matches follow each other from `start` on. None where one call does not tell: matches may be empty, the text is
        long, or it takes more than a little work."""
        if not self._substantial or subject.size > _AT_ONCE:
            return None
        lib, length = self._library, c_size_t(_AT_ONCE + 1)
        text = (self._code, subject.octets, subject.length, c_size_t(start), _SUBSTITUTE_ALL, self._data, self._quick)
        found: int = lib.substitute(*text, b"", _ZERO, lib.substituted, byref(length))
        return found if found >= 0 else None

    def search_between(self, subject: Subject, start: int, count: int, *, thorough: bool) -> Groups | None:
        lib = self._library
        context = lib.thorough if thorough else lib.limited
        # A match may begin at the end of the key, too; the greatest value stands for no limit.
        last = start + count - 1
        lib.set_offset_limit(context, last if self.starts and last < subject.size else _UNSET)
        arguments = (self._code, subject.octets, subject.length, c_size_t(start))
        found = self._match(*arguments, _PLAIN, self._data, context)
        if found == _JIT_STACK_LIMIT and thorough:
            found = self._match(*arguments, _NO_JIT, self._data, context)
        if found == _NO_MATCH:
            return None
        if found > 0:
            return cut(subject.octets, self._offsets[:]) if self._captures else ()
        if not thorough and found in _MORE_WORK:
            raise TooMuch
        raise Unanswered(lib.error_message(found))

    def span(self) -> tuple[int, int]:
        """Where the match that was found last begins and ends."""
        return self._offsets[0], self._offsets[1]

    def apart(self, subject: Subject) -> None:
        """Never: what a search may do here is limited."""

    def __del__(self) -> None:
        if self._data:
            self._library.free_match_data(self._data)
        if self._code:
            self._library.free_code(self._code)
