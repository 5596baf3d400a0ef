"""Functions of VBounce: bounces of mail that we sent, told from those of mail in our name (perldoc
Mail::SpamAssassin::Plugin::VBounce)."""

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from gatepost.filter.evals.patterns import globs
from gatepost.filter.port import Eval, Examined

_RECEIVED: Final = re.compile(rb"^[> \t]*Received:([^\n]*(?:\n[> ]*[ \t][^\n]*){0,9})", re.MULTILINE | re.IGNORECASE)
_HOST: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9.-]{2,252}")
_SCANNED: Final = 200_000
"""Octets that are looked at."""


@functools.lru_cache(16)
def _relays(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


def have_any_bounce_relays(mail: Examined, _: Sequence[str]) -> int:
    """The administrator listed the hosts by which our mail leaves (`welcomelist_bounce_relays`)."""
    return int(bool(_relays(mail.option("welcomelist_bounce_relays"))))


def check_welcomelist_bounce_relays(mail: Examined, _: Sequence[str]) -> int:
    """A bounce holds a Received line that tells of one of these hosts."""
    patterns = _relays(mail.option("welcomelist_bounce_relays"))
    if not patterns:
        return 0
    known = globs(patterns)
    return int(any(known.fullmatch(host) for line in _returned(mail) for host in _HOST.findall(line)))


def _returned(mail: Examined) -> Iterator[bytes]:
    """Received lines within the body: of an attached message, or as text."""
    for part in mail.parts:
        yield from (value for name, value in part.headers if part.path and name.lower() == b"received")
    yield from (match[1] for chunk in mail.text.raw_body for match in _RECEIVED.finditer(chunk[:_SCANNED]))


EVALS: Final[dict[str, Eval]] = {
    "have_any_bounce_relays": have_any_bounce_relays,
    "check_welcomelist_bounce_relays": check_welcomelist_bounce_relays,
    "check_whitelist_bounce_relays": check_welcomelist_bounce_relays,
}
