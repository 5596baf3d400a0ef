"""Redis' protocol (RESP 2), sans-IO, as far as a table needs it: one command whose answer is a string, a number or nothing.

A client library would bring connections, retries and time limits of its own; ours are those of net/stream_client.
"""

from collections.abc import Iterable, Sequence

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.table_answer import Refused, TableAnswer

_LINE_LIMIT = 1024
"""Octets of a line; only errors are longer than a number."""


def command(*words: bytes) -> bytes:
    """A command on the wire: every word with its length, so that nothing in it ends it."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%s\r\n" % (len(word), word) for word in words])


class RedisCommand(Exchange[TableAnswer]):
    """A command, and its answer. `limit`: octets of an answer; `idempotent`: GET and HGET are."""

    def __init__(self, *words: bytes, limit: int = 65536) -> None:
        self._request = command(*words)
        self._limit = limit
        self._buffer = bytearray()
        self._size: int | None = None

    def question(self) -> Iterable[bytes]:
        return (self._request,)

    def feed(self, octets: bytes) -> bytes:
        self._buffer += octets
        if self._size is None:
            end = self._buffer.find(b"\r\n", 0, _LINE_LIMIT + 2)
            if end < 0:
                if len(self._buffer) > _LINE_LIMIT:
                    raise ProtocolError("a line without end")
                return b""
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._take_line(line)
        if self._size is not None:
            self._take_string(self._size)
        return b""

    def _take_line(self, line: bytes) -> None:
        kind, text = line[:1], line[1:]
        if kind in (b"+", b":"):
            self.finish(text, reusable=not self._buffer)
        elif kind == b"-":
            self.finish(Refused(text.decode("utf-8", "replace")), reusable=not self._buffer)
        elif text == b"-1" and kind in (b"$", b"*"):
            self.finish(None, reusable=not self._buffer)
        elif kind == b"$" and text.isdigit():
            self._size = int(text[:12])
            if self._size > self._limit:
                raise ProtocolError(f"an answer of more than {self._limit} octets")
        else:
            raise ProtocolError("an answer that is no string")

    def _take_string(self, size: int) -> None:
        if len(self._buffer) < size + 2:
            return
        if self._buffer[size : size + 2] != b"\r\n":
            raise ProtocolError("a string that is longer than was said")
        self.finish(bytes(self._buffer[:size]), reusable=len(self._buffer) == size + 2)


class RedisLogin(Exchange[None]):
    """What comes first on a connection: commands (AUTH, SELECT) that are sent at once, each of which has to succeed. A refusal may
    repeat the words of a command; `secret` is not told."""

    def __init__(self, commands: Sequence[tuple[bytes, ...]], secret: bytes = b"") -> None:
        self._request = b"".join(command(*words) for words in commands)
        self._secret = secret
        self._left = len(commands)
        self._buffer = bytearray()

    def question(self) -> Iterable[bytes]:
        return (self._request,)

    def feed(self, octets: bytes) -> bytes:
        self._buffer += octets
        while self._left:
            end = self._buffer.find(b"\r\n", 0, _LINE_LIMIT + 2)
            if end < 0:
                if len(self._buffer) > _LINE_LIMIT:
                    raise ProtocolError("a line without end")
                return b""
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            if line != b"+OK":
                raise ProtocolError(f"log-in refused: {self._words(line.removeprefix(b'-'))}")
            self._left -= 1
        if not self.done:
            self.finish(None, reusable=not self._buffer)
        return b""

    def _words(self, line: bytes) -> str:
        """A refusal, without the password; the server may have cut that short, too."""
        shown = line.replace(self._secret, b"***") if self._secret else line
        return shown.partition(b", with args beginning with")[0].decode("utf-8", "replace")
