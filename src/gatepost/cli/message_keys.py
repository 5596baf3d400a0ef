"""What `postmap -h`, `-b` and `-m` look up: the headers and body lines of a message read from standard input (postmap(1))."""

from collections.abc import Iterable, Iterator

from gatepost.mail.address import from_bytes, to_bytes
from gatepost.mail.mime import BodyFound, Found, HeaderFound, HeadersEnd, Limits, Walk


def message_keys(lines: Iterable[str], *, headers: bool, body: bool, mime: bool) -> Iterator[str]:
    """The lookup keys of a message whose lines come without their ends.

    `headers`: each logical header, its lines separated by a newline. `body`: each line that is no header. `mime`: the headers of
    parts and of attached messages are headers, too.
    """
    for found in _founds(lines, mime=mime):
        if isinstance(found, HeaderFound) and headers:
            yield from_bytes(found.text)
        elif isinstance(found, BodyFound) and body:
            yield from (from_bytes(line) for line in found.text.removesuffix(b"\r\n").split(b"\r\n"))
        elif isinstance(found, HeadersEnd) and not (body or mime):
            return


def _founds(lines: Iterable[str], *, mime: bool) -> Iterator[Found]:
    walk = Walk(Limits(), mime=mime)
    for line in lines:
        yield from walk.feed(to_bytes(line) + b"\r\n")
    yield from walk.finish()
