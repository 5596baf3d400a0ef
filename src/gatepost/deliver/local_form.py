"""A message in the form of a mailbox: LF line ends, Return-Path, X-Original-To and Delivered-To on top; `From ` lines for mbox."""

import time
from collections.abc import Iterable, Iterator

from gatepost.mail.address import external, to_bytes
from gatepost.mail.content import Content


def line_feeds(content: Content) -> Iterator[bytes]:
    """The content with LF line ends, chunk by chunk; a CR LF cut apart by a chunk's end is still one line end."""
    carry = b""
    for chunk in content.chunks():
        data = carry + chunk if carry else chunk
        carry = b""
        if data.endswith(b"\r"):
            data, carry = data[:-1], b"\r"
        yield data.replace(b"\r\n", b"\n")
    if carry:
        yield carry


def delivery_headers(sender: str, original: str, recipient: str) -> bytes:
    """The headers that final delivery prepends (local(8), virtual(8)); X-Original-To only where it is known."""
    lines = [b"Return-Path: <" + to_bytes(external(sender)) + b">\n"]
    if original:
        lines.append(b"X-Original-To: " + to_bytes(external(original)) + b"\n")
    lines.append(b"Delivered-To: " + to_bytes(external(recipient)) + b"\n")
    return b"".join(lines)


def maildir_form(headers: bytes, content: Content) -> Iterator[bytes]:
    """What goes into a Maildir file."""
    yield headers
    yield from line_feeds(content)


def mbox_form(sender: str, headers: bytes, content: Content, now: float) -> Iterator[bytes]:
    """What goes into an mbox: the `From ` line, quoted `From ` lines in the message, an empty line after it."""
    stamp = time.asctime(time.localtime(now)).encode()
    yield b"From " + (to_bytes(external(sender)) or b"MAILER-DAEMON") + b"  " + stamp + b"\n" + headers
    yield from quote_from_lines(line_feeds(content))
    yield b"\n"


def quote_from_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Put `>` before lines that begin with `From `; a line start cut apart by a chunk's end is still found."""
    at_start, carry = True, b""
    for chunk in chunks:
        data = carry + chunk
        tail = data.rfind(b"\n") + 1
        data, carry = (data[:tail], data[tail:]) if tail else (b"", data)
        if not tail and len(carry) > 5:
            data, carry = carry, b""
        if data:
            if at_start and data.startswith(b"From "):
                data = b">" + data
            at_start = data.endswith(b"\n")
            yield data.replace(b"\nFrom ", b"\n>From ")
    if carry:
        yield b">" + carry if at_start and carry.startswith(b"From ") else carry
