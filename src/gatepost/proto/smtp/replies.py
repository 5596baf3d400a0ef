"""Reply lines (RFC 5321 §4.2, RFC 2034): the only place that formats them."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from gatepost.mail.outcome import Class, Outcome

_DEFAULT_CODE = {Class.OK: 250, Class.TEMPORARY: 450, Class.PERMANENT: 550}
_REPLY = re.compile(r"(\d{3})[ -](?:([245]\.\d{1,3}\.\d{1,3}) )?(.*)", re.S | re.ASCII)
_MACRO = re.compile(r"\$(?:\{(\w+)\}|\((\w+)\)|(\w+))", re.ASCII)


def text_of(outcome: Outcome) -> str:
    """The reply of an outcome as one line: code, enhanced status code where there is one, text."""
    code = outcome.code or _DEFAULT_CODE[outcome.cls]
    return f"{code} {outcome.enhanced} {outcome.text}" if outcome.enhanced else f"{code} {outcome.text}"


LONGEST: Final = 4096
"""Characters of a reply line that are sent; nobody reads more of one."""
_LONGEST_KEPT: Final = 256


def wire(reply: str) -> bytes:
    """A one-line reply as sent. Line ends inside become spaces, so that no text can forge a second reply."""
    # Most replies are always the same ones; those that hold long texts of others are not.
    return _kept(reply) if len(reply) <= _LONGEST_KEPT else _wire(reply[:LONGEST])


def _wire(reply: str) -> bytes:
    if "\n" in reply or "\r" in reply:
        reply = reply.replace("\r", " ").replace("\n", " ")
    return reply.encode("utf-8", "surrogateescape") + b"\r\n"


_kept = lru_cache(256)(_wire)


def multiline(code: int, lines: Sequence[str]) -> bytes:
    """Several lines of one reply (RFC 5321 §4.2.1), such as the answer to EHLO."""
    last = len(lines) - 1
    return b"".join(wire(f"{code}{' ' if i == last else '-'}{line}") for i, line in enumerate(lines))


def with_footer(reply: str, footer: str, macros: Mapping[str, str]) -> bytes:
    r"""A 4xx or 5xx reply with `smtpd_reject_footer` after it: `\n` in it begins a line, a leading `\c` continues the reply's
    own line; `$name` is looked up in `macros`."""
    match = _REPLY.match(reply)
    if not footer or not match:
        return wire(reply)
    code, enhanced, text = match.groups()
    footer = _MACRO.sub(lambda m: macros.get(m[1] or m[2] or m[3], ""), footer)
    joined = text + footer.removeprefix("\\c") if footer.startswith("\\c") else f"{text}\\n{footer}"
    prefix = f"{enhanced} " if enhanced else ""
    return multiline(int(code), [prefix + line for line in joined.replace("\n", "\\n").split("\\n")])
