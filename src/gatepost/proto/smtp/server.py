"""The server side of SMTP without input or output: octets in, events out (RFC 5321; RFC 2920 pipelining, 3030 chunking).

The caller feeds what it reads and asks for one event at a time, so that it can change what follows (content, TLS) between
two commands that came in one packet. Any split of the octets gives the same commands and the same content.
"""

from typing import Final

from msgspec import Struct

from gatepost.mail.ascii_text import SPACE, first_word, upper
from gatepost.proto.smtp.data import BdatReader, DataReader


class CommandLine(Struct, frozen=True):
    """What a client sent in place of a command. Octets that are not UTF-8 are surrogate escapes.

    - `verb`: in upper case, empty for a blank line.
    - `argument`: the text after it, stripped.
    - `line`: the whole as sent, less its end.
    - `utf8`: all of it was UTF-8.
    - `bare_newline`: the line ended in LF alone.
    - `overlong`: it was cut.
    """

    verb: str
    argument: str
    line: str
    utf8: bool = True
    bare_newline: bool = False
    overlong: bool = False


class DataChunk(Struct, frozen=True):
    """The next octets of the content, in canonical form. `plain`: they are known to be so (mail/content.py, `is_plain`)."""

    data: bytes
    plain: bool = False


class EndOfData(Struct, frozen=True):
    """The content is complete (DATA), or this chunk of it is (BDAT)."""


ServerEvent = CommandLine | DataChunk | EndOfData

_END: Final = EndOfData()
_AUTH: Final = b"AUTH "
_STEP: Final = 65536
"""Octets of content that are made into one event: even the worst of them are looked at in some milliseconds."""


class ServerCore:
    """One connection's protocol state. Holds at most one command line of `line_limit` octets (longer ones are cut, as
    `line_length_limit` says), or of `auth_limit` where it is AUTH, whose initial response may be long (RFC 4954 §4), besides what
    was fed and not yet asked for."""

    __slots__ = ("_auth_limit", "_buffer", "_chunk_left", "_data", "_limit", "_overlong", "_response", "_start")

    def __init__(self, line_limit: int = 2048, auth_limit: int = 12288) -> None:
        self._buffer = b""
        self._start = 0
        self._limit = line_limit
        self._auth_limit = max(auth_limit, line_limit)
        self._response = 0
        self._overlong: bytes | None = None
        self._data: DataReader | BdatReader | None = None
        self._chunk_left = 0

    def feed(self, data: bytes) -> int:
        """Add octets that came from the client; returns how many are pending then."""
        if self._start >= len(self._buffer):
            self._buffer = data
        else:
            self._buffer = self._buffer[self._start :] + data
        self._start = 0
        return len(self._buffer)

    @property
    def pending(self) -> int:
        """Octets fed and not yet turned into an event."""
        return len(self._buffer) - self._start

    def peek(self, at_most: int) -> bytes:
        """The first of the pending octets."""
        return self._buffer[self._start : self._start + at_most]

    def purge(self) -> None:
        """Forget what is pending: after STARTTLS nothing said in the clear counts (RFC 3207 §4.2)."""
        self._buffer, self._start, self._overlong = b"", 0, None

    def read_response(self, limit: int) -> None:
        """The next line is no command, and may have up to `limit` octets (RFC 4954 §4)."""
        self._response = limit

    def read_data(self, reader: DataReader) -> None:
        """What follows is content up to the end of data."""
        self._data = reader

    def read_chunk(self, reader: BdatReader, size: int) -> None:
        """What follows is a BDAT chunk of `size` octets."""
        self._data = reader
        self._chunk_left = size

    def next_event(self) -> ServerEvent | None:
        """The next event, or None until more is fed."""
        if self._data is None:
            return self._next_command()
        if isinstance(self._data, DataReader):
            return self._next_data(self._data)
        return self._next_chunk(self._data)

    def _next_data(self, reader: DataReader) -> ServerEvent | None:
        while not reader.ended:
            data = self.peek(_STEP)
            if not data:
                return None
            content = reader.feed(data)
            self._start += len(data) - len(reader.rest)
            if self._start >= len(self._buffer):
                self._buffer, self._start = b"", 0
            if content:
                return DataChunk(content, reader.plain)
        self._data = None
        return _END

    def _next_chunk(self, reader: BdatReader) -> ServerEvent | None:
        while self._chunk_left:
            data = self.peek(min(self._chunk_left, _STEP))
            if not data:
                return None
            self._start += len(data)
            self._chunk_left -= len(data)
            if content := reader.feed(data):
                return DataChunk(content)
        self._data = None
        return _END

    def _next_command(self) -> CommandLine | None:
        end = self._buffer.find(b"\n", self._start)
        limit = self._response or self._limit
        if end < 0:
            if len(self._buffer) - self._start > limit and len(self._buffer) - self._start > (limit := self._longest(limit)):
                self._overlong = self._overlong or self.peek(limit)
                self._buffer, self._start = self._buffer[-1:], 0
            return None
        line = self._buffer[self._start : end]
        self._start = end + 1
        self._response = 0
        bare = not line.endswith(b"\r")
        overlong = self._overlong is not None or (
            len(line) - (not bare) >= limit and len(line) - (not bare) >= (limit := self._longest(limit, line))
        )
        if self._overlong is not None:
            line, limit, self._overlong = self._overlong, len(self._overlong), None
        return _command(line[:limit].rstrip(b"\r"), bare, overlong)

    def _longest(self, limit: int, line: bytes | None = None) -> int:
        """Of a line that is longer than others may be. `line`: None where its end is still to come."""
        begun = self.peek(len(_AUTH)) if line is None else line[: len(_AUTH)]
        return max(limit, self._auth_limit) if begun.upper() == _AUTH and self._overlong is None else limit


def _command(line: bytes, bare_newline: bool, overlong: bool) -> CommandLine:
    if b"\0" in line:
        line = line[: line.index(b"\0")]  # where a line ends for Postfix, too
    try:
        text, utf8 = line.decode(), True
    except UnicodeDecodeError:
        text, utf8 = line.decode("utf-8", "surrogateescape"), False
    verb, argument = first_word(text)
    return CommandLine(upper(verb), argument.rstrip(SPACE), text, utf8, bare_newline, overlong)
