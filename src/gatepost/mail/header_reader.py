"""The header section of a message of any size, a batch of headers at a time, so that memory does not follow its length."""

import itertools
from collections.abc import Iterable, Iterator

from gatepost.mail.header import Header, split


class HeaderReader:
    """Gives the headers of a content whose octets come in `chunks`. Once they have been read, `rest` is all that follows them, and
    `end` where that begins in the content."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.rest: Iterator[bytes] = iter(())
        self.end = 0

    def __iter__(self) -> Iterator[list[Header]]:
        kept = b""
        due = 0  # octets for which it pays to look again: a long header is not gone through at each chunk
        for chunk in self._chunks:
            kept += chunk
            if len(kept) < due:
                continue
            section = split(kept)
            if section.complete:
                break
            last = _last_header(kept)
            yield split(kept[:last]).headers
            kept = kept[last:]
            self.end += last
            due = 2 * len(kept)
        else:
            section = split(kept)
        self.end += section.end
        self.rest = itertools.chain((kept[section.end :],), self._chunks)
        yield section.headers


def _last_header(lines: bytes) -> int:
    """Where the last header of these begins, which may go on."""
    end = len(lines)
    while (end := lines.rfind(b"\r\n", 0, end)) >= 0:
        if end + 2 < len(lines) and lines[end + 2] not in b" \t":
            return end + 2
    return 0
