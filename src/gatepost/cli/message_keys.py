"""What `postmap -h`, `-b` and `-m` look up: the headers and body lines of a message read from standard input (postmap(1))."""

import re
from collections.abc import Iterable, Iterator

_HEADER = re.compile(r"[!-9;-~]+[ \t]*:")
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]*)"|([^\s;]+))', re.IGNORECASE)
_CONTENT_TYPE = re.compile(r"content-type[ \t]*:\s*([^\s;]+)", re.IGNORECASE)


class _Block:
    """One header block on its way: its logical headers, and what its Content-Type says of what follows."""

    def __init__(self) -> None:
        self.headers: list[str] = []

    def take(self, line: str) -> bool:
        """Add a line; False where it is no part of a header block."""
        if self.headers and line[:1] in (" ", "\t"):
            self.headers[-1] += "\n" + line
        elif _HEADER.match(line):
            self.headers.append(line)
        else:
            return False
        return True

    def content(self) -> tuple[str, str]:
        """(type in lower case, boundary), empty where there is none."""
        for header in self.headers:
            if found := _CONTENT_TYPE.match(header):
                boundary = _BOUNDARY.search(header)
                return found[1].lower(), (boundary[1] or boundary[2] or "") if boundary else ""
        return "", ""


def _delimits(line: str, boundaries: list[str]) -> int:
    """Index of the boundary that `line` is a delimiter of, -1 where it is none."""
    if line.startswith("--"):
        for index in range(len(boundaries) - 1, -1, -1):
            if line.startswith(boundaries[index], 2):
                return index
    return -1


def message_keys(lines: Iterable[str], *, headers: bool, body: bool, mime: bool) -> Iterator[str]:
    """The lookup keys of a message whose lines come without their ends.

    `headers`: each logical header, its lines separated by a newline. `body`: each line that is no header. `mime`: the headers of
    parts and of attached messages are headers, too.
    """
    boundaries: list[str] = []
    block: _Block | None = _Block()
    for line in lines:
        if block is not None:
            if block.take(line):
                continue
            if headers:
                yield from block.headers
            kind, boundary = block.content() if mime else ("", "")
            if kind.startswith("multipart/") and boundary:
                boundaries.append(boundary)
            block = _Block() if kind in ("message/rfc822", "message/global") and not line else None
            if not (body or mime):
                return
        if mime and (found := _delimits(line, boundaries)) >= 0:
            closing = line.startswith("--", 2 + len(boundaries[found]))
            del boundaries[found + (not closing) :]
            block = None if closing else _Block()
        if body:
            yield line
    if block is not None and headers:
        yield from block.headers
