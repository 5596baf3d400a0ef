"""Where the links of a message lead, and what they say."""

import re
from collections.abc import Generator, Iterator
from typing import Final

from gatepost.filter.learner.sender_features import domain_of, registered, sender_address
from gatepost.filter.learner.text_features import words
from gatepost.filter.port import Examined, Uri

_MOST: Final = 400
_LONGEST: Final = 500
_URI: Final = re.compile(r"([a-z][a-z0-9+.-]{0,20}):(?://)?(?:([^/?#@]*)@)?([^/?#:]*)(:\d+)?([^?#]*)(\?[^#]*)?", re.IGNORECASE)
_PATH_WORD: Final = re.compile(r"[A-Za-z]{2,}|\d+")
_QUERY_NAME: Final = re.compile(r"[?&;]([A-Za-z_]+)=")
_ENDING: Final = re.compile(r"\.([A-Za-z0-9]{2,5})$")
_ADDRESS: Final = re.compile(r"[0-9.]+|\[.*")
_SHOWN: Final = re.compile(r"(?:https?://|www\.)([a-z0-9.-]+\.[a-z]{2,})")
_PICTURES: Final = frozenset(("img", "link", "body", "table", "td", "iframe", "script"))
"""Kinds that are fetched when a message is shown, and not followed by a reader."""


def link_tokens(examined: Examined) -> Iterator[str]:
    """Tokens of each link, and of all of them together."""
    uris = examined.text.uris[:_MOST]
    led: set[str] = set()
    for uri in uris:
        host = yield from _uri(uri)
        if host:
            led.add(registered(host))
        yield from _anchors(uri, host)
    yield f"links:{min(len(uris).bit_length(), 9)}"
    yield f"link domains:{min(len(led), 8)}"
    if led:
        own = registered(domain_of(sender_address(examined)))
        yield "links: to the sender too" if own in led else "links: none to the sender"


def _uri(uri: Uri) -> Generator[str, None, str]:
    """Tokens of one; returns its host, empty without."""
    raw = uri.raw[:_LONGEST].decode("utf-8", "replace").strip()
    parts = _URI.match(f"http://{raw}" if raw[:4].lower() == "www." else raw)
    if not parts:
        return ""
    scheme, user, host, port, path, query = parts.groups()
    kind = "picture" if uri.kinds and uri.kinds <= _PICTURES else "link"
    yield f"{kind} scheme:{scheme.lower()}"
    if scheme.lower() == "mailto":
        yield f"mail to:{domain_of(path)}"
    if scheme.lower() not in ("http", "https"):
        return ""
    host = host.lower().strip(".")
    yield from _host(kind, host)
    if port:
        yield "link: port"
    if user:
        yield "link: user"
    yield from _path(kind, path, query or "")
    return host


def _host(kind: str, host: str) -> Iterator[str]:
    yield f"{kind} host:{host}"
    yield f"{kind} registered:{registered(host)}"
    if _ADDRESS.fullmatch(host):
        yield f"{kind}: to an address"
        return
    labels = host.split(".")
    yield f"{kind} top:{labels[-1]}"
    yield f"{kind} labels:{min(len(labels), 6)}"
    yield from (f"label:{label[:20]}" for label in labels[:-1][:10] if label != "www")


def _path(kind: str, path: str, query: str) -> Iterator[str]:
    for word in _PATH_WORD.findall(path)[:12]:
        yield f"path:{word.lower()[:16] if not word.isdigit() else '#' + str(min(len(word), 9))}"
    yield f"{kind} path length:{min(len(path) // 10, 8)}"
    if query:
        yield from (f"query:{name.lower()[:12]}" for name in _QUERY_NAME.findall(query)[:8])
        yield f"{kind} query length:{min(len(query) // 16, 8)}"
    if ending := _ENDING.search(path):
        yield f"{kind} ending:{ending[1].lower()}"


def _anchors(uri: Uri, host: str) -> Iterator[str]:
    for anchor in uri.anchors[:4]:
        text = anchor[:400].decode("utf-8", "replace")
        yield from (f"anchor:{word}" for word in words(text, 20))
        shown = _SHOWN.search(text.lower())
        if shown and host and registered(shown[1]) != registered(host):
            yield "anchor: shows another site"
