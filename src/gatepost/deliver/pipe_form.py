"""A message as a pipe(8) command gets it: line ends, headers and quoting by the service's attributes."""

import re
import time
from collections.abc import Iterator
from itertools import chain

from gatepost.deliver.local_form import line_feeds
from gatepost.deliver.pipe_attributes import PipeAttributes
from gatepost.mail.address import external, to_bytes
from gatepost.mail.content import Content
from gatepost.mail.envelope import Recipient


def pipe_form(attributes: PipeAttributes, sender: str, recipient: Recipient, content: Content, now: float) -> Iterator[bytes]:
    """What the command reads. `recipient`: for the headers that name one; `now`: seconds since 1970, for the `From ` line."""
    flags = attributes.flags
    head = b"".join(_headers(flags, to_bytes(external(sender) or attributes.null_sender), recipient, now))
    body = _quoted(line_feeds(content), flags)
    for piece in chain((head,), body, (b"\n" if "B" in flags else b"",)):
        yield piece if attributes.eol == b"\n" else piece.replace(b"\n", attributes.eol)


def _headers(flags: frozenset[str], sender: bytes, recipient: Recipient, now: float) -> Iterator[bytes]:
    if "F" in flags:
        yield b"From " + sender + b"  " + time.asctime(time.localtime(now)).encode() + b"\n"
    if "R" in flags:
        yield b"Return-Path: <" + sender + b">\n"
    if "O" in flags and recipient.original:
        yield b"X-Original-To: " + to_bytes(external(recipient.original)) + b"\n"
    if "D" in flags:
        yield b"Delivered-To: " + to_bytes(external(recipient.address)) + b"\n"


def _quoted(chunks: Iterator[bytes], flags: frozenset[str]) -> Iterator[bytes]:
    """Put a dot before lines that begin with one (`.`), and `>` before those that begin with `From ` (`>`)."""
    starts = [mark for mark in (rb"\." if "." in flags else b"", rb"From " if ">" in flags else b"") if mark]
    if not starts:
        yield from chunks
        return
    special = re.compile(rb"^(?=" + b"|".join(starts) + rb")(.)", re.MULTILINE)
    for lines in _whole_lines(chunks):
        yield special.sub(lambda match: (b"." if match[1] == b"." else b">") + match[1], lines)


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same octets in pieces that begin at the start of a line."""
    carry = b""
    for chunk in chunks:
        data = carry + chunk
        end = data.rfind(b"\n") + 1
        if end:
            yield data[:end]
        carry = data[end:]
    if carry:
        yield carry
