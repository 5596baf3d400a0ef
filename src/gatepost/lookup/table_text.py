"""The text that tables are written in: logical lines (postmap(1), INPUT FILE FORMAT) and `key whitespace value` entries."""

import io
import os
import re
import stat
from collections.abc import Iterator
from typing import BinaryIO

from gatepost.lookup import braces, root_files
from gatepost.lookup.opening import Opening, Warn
from gatepost.lookup.port import Unavailable
from gatepost.mail.ascii_text import SPACE

# A key ends at the first white space that is neither quoted nor after a backslash.
_KEY = re.compile(r'(?:\\.|"(?:\\.|[^"\\])*+"|[^\s"\\]++)*+', re.DOTALL | re.ASCII)


def logical_lines(text: str, path: str = "", warn: Warn = lambda text: None, start: int = 1) -> Iterator[tuple[int, str]]:
    """(number of its first line; text) of each logical line. `start`: the number of the first one.

    Empty lines and lines whose first character that is not white space is `#` are left out, also between a line and its
    continuation; a line that starts with white space continues the one before, and where there is none is reported to `warn`.
    A NUL ends a logical line, as it ends the texts of C.
    """
    first = 0
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), start):
        stripped = line.strip(SPACE)
        if not stripped or stripped[0] == "#":
            continue
        if parts and line[0] not in SPACE:
            yield first, _ended("".join(parts))
            parts = []
        if not parts:
            if line[0] in SPACE:
                warn(f'{path}: logical line must not start with whitespace: "{line}"')
                continue
            first = number
        parts.append(line)
    if parts:
        yield first, _ended("".join(parts))


def _ended(line: str) -> str:
    return line.partition("\0")[0]


def is_utf8(path: str, number: int, line: str, warn: Warn) -> bool:
    """Whether a line is UTF-8; one that is not is reported (postmap(1), postalias(1))."""
    try:
        line.encode()
    except UnicodeEncodeError:
        warn(f'{path}, line {number}: non-UTF-8 input "{line}" -- ignoring this line')
        return False
    return True


def entries(path: str, text: str, warn: Warn, start: int = 1, *, refused: str = "") -> Iterator[tuple[int, str, str]]:
    """(line number, key, value) of each entry. A line that is none is reported to `warn` and left out; `refused` ends that report.
    `start`: the number of the first line.

    Quotes stay part of the key, as they are part of an address in its external form.
    """
    for number, line in logical_lines(text, path, warn, start):
        line = line.strip(SPACE)
        if not line.isascii() and not is_utf8(path, number, line, warn):
            continue
        match = _KEY.match(line)
        end = match.end() if match else 0
        if end < len(line) and line[end] in '"\\':
            warn(f"{path}, line {number}: unbalanced '\"' in '{line}' -- ignoring this line")
            continue
        key, value = line[:end], line[end:].strip(SPACE)
        if not key or not value:
            warn(f"{path}, line {number}: expected format: key whitespace value{refused}")
            continue
        if key.endswith(":"):
            warn(f'{path}, line {number}: record is in "key: value" format; is this an alias file?')
        yield number, key, value


def opened(path: str, spec: str, what: str = "open") -> BinaryIO:
    """A file to read. Raises Unavailable, in Postfix's words, for table `spec`, also where the file is a pipe or a device, for
    which everybody would wait."""
    if (taken := root_files.contents(path)) is not None:
        return io.BytesIO(taken)
    try:
        file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb")  # noqa: SIM115
    except OSError as error:
        raise Unavailable(spec, f"{what} {path}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Unavailable(spec, f"{what} {path}: not a regular file")
    return file


def read_file(path: str, spec: str, what: str = "open") -> str:
    """The text of a file: UTF-8, other octets as surrogate escapes. Raises as `opened`."""
    with opened(path, spec, what) as file:
        try:
            return file.read().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise Unavailable(spec, f"{what} {path}: {error.strerror}") from None


def read_rules(opening: Opening) -> str:
    """The text of a pattern table: its file's, or that of its in-line rules, one a line. Raises Unavailable."""
    if not opening.name.startswith("{"):
        return read_file(opening.name, opening.spec)
    try:
        return "".join(f"{rule}\n" for rule in braces.rules(opening.name))
    except braces.BraceError as error:
        raise Unavailable(opening.spec, f"{opening.type} map: {error}") from None
