"""Where the content of a message waits until it is complete: in memory while small, then in a file.

The header section stays in memory, as it may change; the file has room in front for it, so that the body is written once.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast
from zlib import crc32

from gatepost.content.downgrade import SevenBit
from gatepost.mail import header
from gatepost.mail.checksum import joined
from gatepost.mail.content import CHUNK, Content, FileContent, MemoryContent, SplicedContent, is_plain

THRESHOLD = 262144
"""Octets that a message may have in memory."""

SECTION_LIMIT = 1048576
"""Octets of a header section that are looked at, as it is kept in memory; what is beyond counts as body (`headers_too_long`)."""

_GAP = 65536
_BEGINNING = 200  # octets of a body in a file that are at hand
_ABORTED_LIMIT = 65536
"""Octets of a message that was not completed in which its Message-Id is looked for."""
STRAY = re.compile(rb"\r(?!\n)|(?<!\r)\n")
"""A CR or LF that is no part of a line end."""


class Staging:
    """Collects a content. `path`: makes the name of a new file. `replace_stray`: a CR or LF alone becomes a space
    (cleanup_replace_stray_cr_lf). `in_lines`: there is none, for sure. `conversion`: what the octets pass, where they pass any."""

    def __init__(
        self,
        path: Callable[[], Path],
        *,
        replace_stray: bool,
        in_lines: bool = False,
        strip: bytes = b"",
        reject: bytes = b"",
        conversion: SevenBit | None = None,
    ) -> None:
        self._new_path = path
        self._replace_stray = replace_stray and not in_lines
        self._strip = strip
        self._reject = reject
        self._conversion = conversion
        self.rejected = False
        self.headers_too_long = False
        self.size = 0
        self.plain = not strip and conversion is None  # without those octets, or in other lines, one may begin with a dot
        self.head = b""
        self.body_begins = b""
        self._chunks: list[bytes] = []
        self._carry = b""
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._room = 0
        self._crc: int | None = None  # of the body in the file, made while it is at hand; None where it has been replaced
        self._next_look = THRESHOLD
        self._looked = 0  # where a header begins up to which there is nothing but headers
        self._rewritten: list[bytes] = []

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        """The next octets. `plain`: they are (mail/content.py, `is_plain`). Raises OSError where the file cannot be written."""
        self.plain = self.plain and plain
        if self._carry:
            chunk, self._carry = self._carry + chunk, b""
        if chunk.endswith(b"\r"):
            chunk, self._carry = chunk[:-1], b"\r"
        if chunk:
            self._add(chunk)

    def _add(self, chunk: bytes) -> None:
        if self._replace_stray and not (chunk.count(b"\r\n") == chunk.count(b"\n") == chunk.count(b"\r")):
            chunk = STRAY.sub(b" ", chunk)
        if self._reject and any(octet in chunk for octet in self._reject):
            self.rejected = True
        if self._strip:
            chunk = chunk.translate(None, self._strip)
        self._keep(chunk if self._conversion is None else self._conversion.feed(chunk))

    def _keep(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._file is not None:
            self._to_file(chunk)
            return
        self._chunks.append(chunk)
        if self.size > self._next_look:
            self._next_look = self.size + CHUNK
            self._spill()

    def _spill(self) -> None:
        """Put what follows the header section into a file, as soon as its end is known."""
        data = b"".join(self._chunks)
        self._chunks = [data]
        section = header.split(data, self._looked)
        if not section.complete and len(data) < SECTION_LIMIT:
            self._looked = section.last
            return
        self.headers_too_long = not section.complete
        self._path = self._new_path()
        self._file = _open(self._path, "w+b")
        self._room = section.end * 2 + _GAP
        self._file.seek(self._room)
        self._crc = 0
        self._to_file(data[section.end :])
        self.body_begins = data[section.end : section.end + _BEGINNING]
        self._chunks = [data[: section.end]]

    def _to_file(self, chunk: bytes) -> None:
        assert self._file is not None
        self._file.write(chunk)
        if self._crc is not None:
            self._crc = crc32(chunk, self._crc)

    def finish(self) -> None:
        """No more octets come: `head` is then the whole content, or the header section of one whose rest is in the file."""
        if self._carry:
            carry, self._carry = self._carry, b""
            self._add(b" " if self._replace_stray else carry)
        if self._conversion is not None:
            self._keep(self._conversion.finish())
        self.head = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if self._file is not None:
            self._file.flush()

    def headers(self) -> list[header.Header] | None:
        """The headers so far, None while more may follow."""
        section = header.split(b"".join(self._chunks)[:_ABORTED_LIMIT])
        return section.headers if section.complete or self._file is not None else None

    def body(self, rest: bytes) -> Iterator[bytes]:
        """The octets of the body: `rest` where they are in memory, else those of the file, in order. Raises OSError."""
        if self._path is None:
            yield rest
            return
        with open(self._path, "rb") as file:
            file.seek(self._room)
            while chunk := file.read(CHUNK):
                yield chunk

    @contextlib.contextmanager
    def body_rewriter(self, room: int = 0) -> Iterator[Callable[[bytes], object]]:
        """A way to write another body, while the present one is read. `room`: octets before it in a file, if other than now.
        Raises OSError."""
        self.plain = self.plain and room > 0  # where it is other octets, nobody has looked at them
        if self._path is None or self._file is None:
            self._rewritten = []
            yield self._rewritten.append
            return
        old, path = self._path, self._new_path()
        file = _open(path, "w+b")
        room = room or self._room
        try:
            file.seek(room)
            yield file.write
            file.flush()
        except BaseException:
            _throw_away(file, path)
            raise
        _throw_away(self._file, old)
        self._path, self._file, self._room, self._crc = path, file, room, None

    def spare(self) -> BinaryIO:
        """A file beside, for octets that may be wanted; it goes when it is closed. Raises OSError."""
        path = self._new_path()
        file = _open(path, "w+b")
        path.unlink()
        return file

    def rewritten(self) -> bytes:
        """What of the other body is in memory."""
        data, self._rewritten = b"".join(self._rewritten), []
        return data

    def content(self, head: bytes, rest: bytes) -> Content:
        """The content with these octets in place of `head`: another header section, and what of the rest is in memory.
        Raises OSError."""
        if self._file is None or self._path is None:
            return MemoryContent(head + rest, plain=self.plain and is_plain(head))
        if len(head) > self._room:
            with self.body_rewriter(len(head)) as write:
                for chunk in self.body(b""):
                    write(chunk)
        start = self._room - len(head)
        self._file.seek(start)
        self._file.write(head)
        self._file.seek(0, 2)
        size = self._file.tell() - start
        self._file.close()
        crc = None if self._crc is None else joined(crc32(head), self._crc, size - len(head))
        return FileContent(self._path, size, start, plain=self.plain and is_plain(head), crc=crc)

    def seen(self, head: bytes, rest: bytes) -> Content:
        """The same, to be read only: the file stays as it is."""
        if self._file is None or self._path is None:
            return MemoryContent(head + rest)
        return SplicedContent(head, FileContent(self._path, self._file.seek(0, 2) - self._room, self._room))

    def hand_over(self) -> None:
        """The content is somebody else's from now on, its file too."""
        self._file = self._path = None

    def discard(self) -> None:
        """Forget everything, unless it was handed over. Raises nothing, whatever the disk says."""
        self._chunks = []
        if self._file is not None and self._path is not None:
            _throw_away(self._file, self._path)
            self._file = None


class StagedBody:
    """The body of a message in staging (`draft.Body`). `rest`: what follows the header section, where it is in memory. A body
    that begins without an empty line gets one."""

    def __init__(self, staging: Staging, rest: bytes) -> None:
        begins = rest[:2] or staging.body_begins[:2]
        self.blank = b"\r\n" if begins and begins != b"\r\n" else b""
        self._staging = staging
        self._rest = rest

    def octets(self) -> Iterator[bytes]:
        """What was staged, from the empty line on if there is one. Raises OSError."""
        return self._staging.body(self._rest)

    def chunks(self) -> Iterator[bytes]:
        """The octets after the empty line. Raises OSError."""
        skip = 0 if self.blank else 2
        for chunk in self.octets():
            yield chunk[skip:]
            skip = 0

    def replace(self, chunks: Iterable[bytes]) -> None:
        """Another body. Raises OSError, and what `chunks` raises: the old one is still there then."""
        with self.rewriter() as write:
            write(b"\r\n")
            for chunk in chunks:
                write(chunk)
        self.blank = b""

    def spare(self) -> BinaryIO:
        """A file for octets that may take the place of these. Raises OSError."""
        return self._staging.spare()

    def seen_below(self, head: bytes) -> Content:
        """The content with these headers, to be read before anything else is done with it."""
        return self._staging.seen(head + self.blank, self._rest)

    @contextlib.contextmanager
    def rewriter(self) -> Iterator[Callable[[bytes], object]]:
        """A way to write what is to follow the header section in the place of `octets`, while those are read. Raises OSError."""
        with self._staging.body_rewriter() as write:
            yield write
        self._rest = self._staging.rewritten()

    def below(self, head: bytes) -> Content:
        """The content with these headers. Raises OSError."""
        return self._staging.content(head + self.blank, self._rest)


def _throw_away(file: BinaryIO, path: Path) -> None:
    """What is buffered need not reach a disk that has no room for it; what cannot be removed goes when a worker starts."""
    for end in (file.close, path.unlink):
        with contextlib.suppress(OSError):
            end()


def _open(path: Path, mode: str) -> BinaryIO:
    """A file that stays open until the message is complete."""
    return cast("BinaryIO", open(path, mode))
