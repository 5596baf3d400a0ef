"""The protocol of tcp: tables, sans-IO (tcp_table(5)): `get key` and one line back."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.table_answer import Refused, TableAnswer

LINE_LIMIT = 4096
"""Octets of a request or a reply with its line feed."""

_ENCODED = re.compile(rb"[^!-$&-~]")
_HALF_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def encode(text: bytes) -> bytes:
    """A key with `%XX` for `%`, blanks, and what is not printable."""
    return _ENCODED.sub(lambda match: b"%%%02X" % match[0][0], text)


def is_key(key: bytes) -> bool:
    """Whether a request about a key is no longer than a server has to take."""
    return len(encode(key)) < LINE_LIMIT - len(b"get \n")


class TcpQuery(Exchange[TableAnswer]):
    """A key, and its value."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._line = b""

    def question(self) -> Iterable[bytes]:
        return (b"get " + encode(self._key) + b"\n",)

    def feed(self, octets: bytes) -> bytes:
        self._line += octets
        line, feed, rest = self._line.partition(b"\n")
        if len(line) >= LINE_LIMIT:
            raise ProtocolError(f"a reply of more than {LINE_LIMIT} octets")
        if feed:
            self.finish(_answer(line.removesuffix(b"\r")), reusable=not rest)
        return b""


def _answer(line: bytes) -> TableAnswer:
    code, blank, text = line[:3], line[3:4], line[4:]
    if blank not in (b" ", b"\t") or code not in (b"200", b"400", b"500"):
        raise ProtocolError("a reply that is neither 200, 400 nor 500")
    if _HALF_ENCODED.search(text):
        raise ProtocolError("a reply with a `%` that encodes nothing")
    text = unquote_to_bytes(text)
    if code == b"400":
        return Refused(text.decode("utf-8", "replace"))
    return text if code == b"200" else None
