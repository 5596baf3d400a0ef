"""What is wrong with the structure of a message, as the one MIME walk (`mail/mime.py`) comes along it."""

from collections.abc import Iterable
from typing import Final

from gatepost.filter.evals.once import once
from gatepost.filter.port import Examined
from gatepost.mail.mime import BodyFound, DelimiterFound, Found, HeaderFound, HeadersEnd, Limits, Walk

LONGEST_HEADER: Final = 8192
"""Octets of a header beyond which it is called truncated."""


@once
def flags(examined: Examined) -> frozenset[str]:
    """Words of `check_msg_parse_flags`, and `missing_boundary`: parts that nothing closes."""
    walk = Walk(Limits(), shown=True)
    seen = _Seen()
    seen.take(walk.feed(examined.octets.replace(b"\n", b"\r\n")))
    seen.take(walk.finish())
    return frozenset(seen.flags | ({"missing_boundary"} if walk.boundaries.openers else set()))


class _Seen:
    """The flags as the walk goes on.

    primary: whether we are in the message's own header section.
    headers: those of the present section so far.
    closed: whether what comes is behind the last part of something.
    """

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self._primary = True
        self._headers = 0
        self._in_headers = True
        self._closed = False

    def take(self, found: Iterable[Found]) -> None:
        for one in found:
            if isinstance(one, HeaderFound):
                self._headers += 1
                if len(one.text) > LONGEST_HEADER:
                    self.flags.add("truncated_header")
            elif isinstance(one, HeadersEnd):
                self._in_headers = False
                if not self._headers and not self._primary:
                    self.flags.add("missing_mime_headers")
            elif isinstance(one, DelimiterFound):
                self._begin(one)
            else:
                self._body(one)

    def _begin(self, found: DelimiterFound) -> None:
        self._primary = False
        self._headers = 0
        self._closed = found.closing

    def _body(self, found: BodyFound) -> None:
        if self._closed:
            if found.text.strip():
                self.flags.add("mime_epilogue_exists")
        elif not found.offset and found.text != b"\r\n":
            self.flags.add("missing_head_body_separator" if self._primary else "missing_mime_head_body_separator")
