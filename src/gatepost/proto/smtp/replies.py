"""Replies of our server (RFC 5321 §4.2, RFC 2034), and the only place that formats them. Their texts: server_replies.py."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from gatepost.mail.outcome import Class, Outcome

_DEFAULT_CODE: Final = {Class.OK: 250, Class.TEMPORARY: 450, Class.PERMANENT: 550}
_MACRO: Final = re.compile(r"\$(?:\{(\w+)\}|\((\w+)\)|(\w+))", re.ASCII)


class ServerReply(Struct, frozen=True):
    """What the server says.

    - `code`: three digits (RFC 5321 §4.2.1).
    - `enhanced`: enhanced status code (RFC 3463), empty where the reply has none.
    - `text`: the rest of its first line.
    - `more`: texts of further lines, such as the keywords of EHLO.
    """

    code: int
    enhanced: str = ""
    text: str = ""
    more: tuple[str, ...] = ()

    @property
    def refuses(self) -> bool:
        """Whether the client does not get what it asked for."""
        return self.code >= 400

    @property
    def line(self) -> str:
        """The first line as the log has it."""
        return f"{self.code} {self._prefix}{self.text}"

    @property
    def logged(self) -> str:
        """All of it as the log has it, whose lines hold no line ends."""
        if not self.more:
            return self.line
        *earlier, last = (self.text, *self.more)
        return "".join(f"{self.code}-{self._prefix}{text}??" for text in earlier) + f"{self.code} {self._prefix}{last}"

    @property
    def _prefix(self) -> str:
        return f"{self.enhanced} " if self.enhanced else ""


def reply_of(outcome: Outcome) -> ServerReply:
    """How an outcome is told to a client: a line for each line of its text."""
    first, *more = outcome.text.split("\n") if "\n" in outcome.text else (outcome.text,)
    return ServerReply(outcome.code or _DEFAULT_CODE[outcome.cls], outcome.enhanced, first, tuple(more))


def softened(reply: ServerReply) -> ServerReply:
    """A refusal for good as one for now (`soft_bounce`)."""
    if reply.code < 500:
        return reply
    enhanced = f"4{reply.enhanced[1:]}" if reply.enhanced.startswith("5") else reply.enhanced
    return ServerReply(reply.code - 100, enhanced, reply.text, reply.more)


LONGEST: Final = 4096
"""Characters of a reply line that are sent; nobody reads more of one."""
_LONGEST_KEPT: Final = 256


def wire(reply: ServerReply) -> bytes:
    """A reply as sent, one line or several (RFC 5321 §4.2.1). Line ends inside become spaces, so that no text can forge a second
    reply."""
    if reply.more:
        return _lines(reply.code, [reply._prefix + text for text in (reply.text, *reply.more)])
    # Most replies are always the same ones; those that hold long texts of others are not.
    return _kept(reply) if len(reply.text) <= _LONGEST_KEPT else _octets(reply.line)


@lru_cache(256)
def _kept(reply: ServerReply) -> bytes:
    return _octets(reply.line)


def _octets(line: str) -> bytes:
    line = line[:LONGEST]
    if "\n" in line or "\r" in line:
        line = line.replace("\r", " ").replace("\n", " ")
    return line.encode("utf-8", "surrogateescape") + b"\r\n"


def _lines(code: int, lines: list[str]) -> bytes:
    last = len(lines) - 1
    return b"".join(_octets(f"{code}{' ' if i == last else '-'}{line}") for i, line in enumerate(lines))


def with_footer(reply: ServerReply, footer: str, macros: Mapping[str, str]) -> bytes:
    r"""A refusal as sent, with `smtpd_reject_footer` after it: `\n` in it begins a line, a leading `\c` continues the reply's
    own line; `$name` is looked up in `macros`. Each line has the enhanced status code (RFC 2034 §4)."""
    if not footer:
        return wire(reply)
    footer = _MACRO.sub(lambda m: macros.get(m[1] or m[2] or m[3], ""), footer)
    joined = reply.text + footer.removeprefix("\\c") if footer.startswith("\\c") else f"{reply.text}\\n{footer}"
    return _lines(reply.code, [reply._prefix + line for line in joined.replace("\n", "\\n").split("\\n")])
