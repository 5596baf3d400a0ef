"""All URIs of a message together: each once, with where it was found, the texts of its anchors, its cleaned forms and its hosts."""

import re
from collections.abc import Iterable
from typing import Final

from gatepost.filter.port import Uri
from gatepost.filter.text.html.page import Page
from gatepost.filter.text.uris.cleaning import cleaned
from gatepost.filter.text.uris.domains import Domains
from gatepost.filter.text.uris.finding import found_in
from gatepost.filter.text.uris.redirectors import Redirectors

_HOST: Final = re.compile(r"(?!cid:)(?:[a-z][a-z0-9+.-]*:(?://)?)?(?:[^/?#@]*@)?([^/?#:@]+)", re.IGNORECASE)
_SIGNER: Final = re.compile(rb"(?:^|[;\s])d\s*=\s*([^;\s]{1,255})")
_SIGNING: Final = frozenset(("domainkeys", "nocanon", "noclean"))
_MOST: Final = 1000
"""URIs of a message that are looked at."""


class _Gathered:
    """What is known of one."""

    __slots__ = ("anchors", "kinds")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.anchors: dict[str, None] = {}


def gathered(pages: Iterable[Page], texts: Iterable[str], domains: Domains, redirectors: Redirectors) -> tuple[Uri, ...]:
    """Those of HTML and those in `texts`, in the order in which they were found."""
    found: dict[str, _Gathered] = {}
    for page in pages:
        for link in page.links:
            if link.anchor >= 0:
                found.setdefault(link.raw, _Gathered()).anchors[page.anchors[link.anchor]] = None
            found.setdefault(link.uri, _Gathered()).kinds.add(link.kind if link.uri else "parsed")
    linked = {uri for uri, one in found.items()}
    for text in texts:
        for raw, kinds in found_in(text, domains):
            found.setdefault(raw, _Gathered()).kinds.update(kinds)
    made = [_made(raw, one, domains, redirectors) for raw, one in list(found.items())[:_MOST]]
    return tuple([uri for uri, raw in zip(made, found, strict=False) if uri.hosts or raw in linked])


def signing(signatures: Iterable[bytes], domains: Domains) -> tuple[Uri, ...]:
    """The domains that DKIM-Signature headers name, as URIs of a kind of their own, which no rule over URIs sees."""
    found = dict.fromkeys([match[1].lower() for signature in signatures if (match := _SIGNER.search(signature)) is not None])
    hosts = {name: domains.registered(name.decode("ascii", "replace")).encode("ascii") for name in found}
    return tuple([Uri(b"domainkeys:" + name, kinds=_SIGNING, hosts={name: domain}) for name, domain in hosts.items() if domain])


def _made(raw: str, one: _Gathered, domains: Domains, redirectors: Redirectors) -> Uri:
    forms = cleaned(raw, redirectors)
    return Uri(
        raw=_octets(raw),
        cleaned=tuple(map(_octets, forms)),
        anchors=tuple(map(_octets, one.anchors)),
        kinds=frozenset(one.kinds or ("parsed",)),
        hosts=_hosts(forms, domains),
    )


def _hosts(forms: Iterable[str], domains: Domains) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for form in forms:
        if match := _HOST.match(form):
            host = match[1].lower()
            if registered := domains.registered(host):
                found[host.encode("ascii")] = registered.encode("ascii")
    return found


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
