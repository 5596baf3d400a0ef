"""What Bayes sees of a message: its tokens, each as five octets of a hash, as the store of SpamAssassin has them."""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha1
from itertools import islice
from typing import Final

from gatepost.filter.bayes.headers import header_words
from gatepost.filter.bayes.options import Options
from gatepost.filter.bayes.words import STOP_WORDS, Region, words
from gatepost.filter.port import Examined

LENGTH: Final = 5
"""Octets of a token."""
MOST: Final = 20_000
"""Tokens of a message that count, in order; most have a few hundred."""

_RELAYS: Final = ("Trusted", "Untrusted", "Internal", "External")
_DOMAINS: Final = ((b"x-authordomain", "From:addr"), (b"x-senderdomain", "EnvelopeFrom:addr"))
_NEVER: Final = re.compile(rb"(?!)")


def tokens(examined: Examined, options: Options) -> frozenset[bytes]:
    """The tokens of a message."""
    return _hashed(islice(texts(examined, options), MOST))


def domain_tokens(examined: Examined, options: Options) -> frozenset[bytes]:
    """Those of the domains of author and envelope sender, which SpamAssassin knows when it judges and not when it is taught."""
    found = [(name, _domain(examined.headers.get(where))) for name, where in _DOMAINS]
    return _hashed(header_words(found, _NEVER, frozenset()) if "header" in options.token_sources else ())


def _hashed(tokens: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(sha1(token).digest()[-LENGTH:] for token in set(tokens) if token)


def texts(examined: Examined, options: Options) -> Iterator[bytes]:
    """The same as they read, doubles too."""
    stop = STOP_WORDS if options.stop_words else _NEVER
    text = examined.text
    for source, region, lines in (
        ("visible", Region.BODY, text.visible),
        ("uri", Region.URI, [form for uri in text.uris for form in (uri.raw, *uri.cleaned)]),
        ("invisible", Region.HIDDEN, text.invisible),
    ):
        if source in options.token_sources:
            for line in lines:
                yield from words(line, region, stop)
    if "header" in options.token_sources:
        yield from header_words(_headers(examined), stop, options.ignore_header)


def _headers(examined: Examined) -> list[tuple[bytes, bytes]]:
    """Those of the message, and what is known of where it has been."""
    view = examined.headers
    lines = (view.get("ALL") or b"").split(b"\n")
    found = [(name, value.strip()) for line in lines for name, colon, value in [line.partition(b":")] if colon]
    relays = ((b"x-spam-relays-" + kind.lower().encode(), view.get(f"X-Spam-Relays-{kind}")) for kind in _RELAYS)
    return found + [(name, value) for name, value in relays if value]


def _domain(address: bytes | None) -> bytes:
    return (address or b"").rpartition(b"@")[2].strip().lower()
