"""URIs in text: with a scheme, or what looks so like one that mail programs make a link of it, or that a reader would type.

Which of those there are, and where they end, is as in SpamAssassin 4.0.1: text falls into runs at white space and at what no URI
has; punctuation at the end of a run is not of the URI.
"""

import re
from collections.abc import Iterator
from typing import Final

from gatepost.filter.text.uris.domains import Domains

Found = tuple[str, tuple[str, ...]]
"""The URI, with a scheme, and its kinds (`port.Uri`)."""

_RUN: Final = re.compile(r"[^\s\"<>`{}|\[\]]+")
_SCHEME: Final = re.compile(r"(?<![A-Za-z0-9_])(?:(?:https?|ftp)://|mailto:).+", re.IGNORECASE)
_MAIL: Final = re.compile(
    r"(?:(?:e-?)?mail:)?([\w.+=!#$&*~;%\\^-][\w.+=!#$&*~;%\\^:-]{0,255}@)([a-z0-9.-]{1,255})(\?.*)?\Z", re.ASCII | re.IGNORECASE
)
_MAIL_BREAKS: Final = re.compile(r"[,'()]")
_NOT_LOCAL: Final = re.compile(r"[^@]*[/?]")
_LINKED: Final = re.compile(
    r"(?<![A-Za-z0-9])((?:www\d{0,3}|ftp)\.[A-Za-z0-9._-]{1,255})((?::\d{1,5})?(?:[/?#].*)?)([^)]*)", re.IGNORECASE | re.ASCII
)
_TYPED: Final = re.compile(
    r"(?<![\w.%-])(?<!mailto:)([A-Za-z0-9][A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]++)+)((?::\d{1,5})?(?:/.+)?)(\.?\Z)?"
)
_TRAILING: Final = ".,!?:;')(=-_&*~+@^#"
_LONGEST: Final = 8192
_LOCAL_PART: Final = 256
_TRIES: Final = 20
"""Places in a run where an address may begin."""


def found_in(text: str, domains: Domains) -> Iterator[Found]:
    """Those in `text`, in order."""
    for run in _RUN.findall(text):
        match = _SCHEME.search(run[:_LONGEST]) if ":" in run else None
        if match is not None and ("@" in match[0] or match[0][0] not in "mM"):
            before = _typed(run[:_LONGEST], domains, match.start()) if match.start() else None
            yield before or (match[0].rstrip(_TRAILING), ("parsed",))
        elif "." in run:
            yield from _without_scheme(run[:_LONGEST], domains)


def _without_scheme(run: str, domains: Domains) -> Iterator[Found]:
    if "@" in run and (mails := [*_mails(run, domains)]):
        yield from mails
    elif (match := _LINKED.search(run)) is not None:
        host, rest, after = match[1].rstrip("._-"), match[2].rstrip(_TRAILING), match[3].rstrip(_TRAILING)
        if not after and domains.registered(host.lower()):
            yield f"{'ftp' if host[0] in 'fF' else 'http'}://{host}{rest}", ("parsed", "schemeless")
    elif typed := _typed(run, domains, len(run)):
        yield typed


def _mails(run: str, domains: Domains) -> Iterator[Found]:
    for piece in _MAIL_BREAKS.split(run):
        if piece.count("@") != 1 or _NOT_LOCAL.match(piece):
            continue
        match = _MAIL.search(piece[max(piece.index("@") - _LOCAL_PART, 0) :].rstrip(_TRAILING))
        if match and domains.registered(match[2].lower()):
            yield f"mailto:{match[1]}{match[2]}{match[3] or ''}", ("parsed", "schemeless")


def _typed(run: str, domains: Domains, before: int) -> Found | None:
    """The first that ends where the run does, and begins before a place in it."""
    at = 0
    for _ in range(_TRIES):
        match = _TYPED.search(run, at, len(run))
        if match is None or match.start() >= before:
            return None
        host, at = match[1], match.end(1)
        after_name = match.start() > 1 and run[match.start() - 1] == "@"
        if match[3] is not None and not after_name and not host[-1].isdigit() and domains.registered(host.lower()):
            return f"http://{host}{match[2].rstrip(_TRAILING)}", ("parsed", "schemeless", "unlinked")
    return None
