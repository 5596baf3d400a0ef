"""The messages in a file, an mbox, a Maildir or a folder of any of these, one after the other."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

MOST: Final = 1 << 25
"""Octets of a message; a larger one is passed over."""
_SEPARATOR: Final = b"From "
_MAILDIR: Final = ("cur", "new")


def messages(path: str) -> Iterator[bytes]:
    """The messages of `path`; `-` is standard input. In folders, what is no regular file is passed over.
    Raises OSError where it cannot be read."""
    if path == "-":
        yield from _of_stream(sys.stdin.buffer)
    elif os.path.isdir(path):
        for file in _files(Path(path)):
            yield from _of_file(file)
    else:
        yield from _of_file(Path(path))


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder and those below it, in the order of their names; of a Maildir those that are delivered."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    maildir = all((folder / name).is_dir() for name in _MAILDIR)
    for entry in found:
        if entry.is_file(follow_symlinks=False):
            if not maildir:
                yield Path(entry.path)
        elif entry.is_dir(follow_symlinks=False) and not (maildir and entry.name == "tmp"):
            yield from _files(Path(entry.path))


def _of_file(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from _of_stream(stream)


def _of_stream(stream: BinaryIO) -> Iterator[bytes]:
    first = stream.readline(MOST)
    if first.startswith(_SEPARATOR):
        yield from _of_mbox(stream)
    else:
        message = first + stream.read(MOST + 1 - len(first))
        if message.strip() and len(message) <= MOST:
            yield message


def _of_mbox(stream: BinaryIO) -> Iterator[bytes]:
    """What stands between lines that begin with `From ` after an empty one (mbox(5))."""
    lines: list[bytes] = []
    size, blank = 0, False
    for line in iter(lambda: stream.readline(MOST), b""):
        if blank and line.startswith(_SEPARATOR):
            if 0 < size <= MOST:
                yield b"".join(lines)
            lines, size = [], 0
        else:
            size += len(line)
            if size <= MOST:
                lines.append(line)
        blank = not line.strip(b"\r\n")
    if 0 < size <= MOST:
        yield b"".join(lines)
