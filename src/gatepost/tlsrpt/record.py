"""The record of a domain that wants reports: `v=TLSRPTv1; rua=mailto:tls@example.test` at `_smtp._tls` (RFC 8460 §3).

RFC 8460 has no way to ask whether the owner of an address wants reports of a domain that names it. So few addresses of a record
count, each gets one report a day of a domain, and no web server is talked to that has no certificate for the name that is written.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from gatepost.net import url as urls
from gatepost.tlsrpt.names import domain

VERSION: Final = "v=TLSRPTv1"
MOST_EACH: Final = 2
"""Mail addresses, and URLs, of a record that count."""

_LONGEST: Final = 4096
_LONGEST_URL: Final = 1000
_LONGEST_LOCAL: Final = 64
_BLANKS: Final = " \t"
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*\Z")


class Destinations(Struct, frozen=True):
    """Where reports are to go: `mail`, addresses; `https`, URLs."""

    mail: tuple[str, ...] = ()
    https: tuple[str, ...] = ()


def record_of(texts: Iterable[str]) -> str | None:
    """The one record among TXT records; None where there is none, or more than one, which is as good (RFC 8460 §3)."""
    found = [text for text in texts if text.startswith(VERSION) and text[len(VERSION) :].lstrip(_BLANKS)[:1] in (";", "")]
    return found[0] if len(found) == 1 and len(found[0]) <= _LONGEST else None


def parse(record: str) -> Destinations:
    """Where a record wants reports; what cannot be read of it, and more than MOST_EACH of a kind, is left out."""
    mail: list[str] = []
    https: list[str] = []
    for uri in _uris(record):
        scheme, _, rest = uri.partition(":")
        match scheme.lower():
            case "mailto":
                mail.append(address_of(unquote(rest.partition("?")[0])))  # RFC 6068, without what it says of the message
            case "https":
                https.append(_url(uri))
    return Destinations(_first(mail), _first(https))


def _uris(record: str) -> list[str]:
    fields = (field.strip(_BLANKS).partition("=") for field in record.split(";")[1:])
    lists = (value for name, _, value in fields if name.rstrip(_BLANKS) == "rua")
    return [uri.strip(_BLANKS) for value in lists for uri in value.split(",")]


def _first(found: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, found)))[:MOST_EACH]


def address_of(text: str) -> str:
    """An address of plain words (RFC 5321, Dot-string) with its domain as the DNS has it; empty for anything else."""
    local, _, where = text.rpartition("@")
    name = domain(where)
    return f"{local}@{name}" if name and len(local) <= _LONGEST_LOCAL and _LOCAL.match(local) else ""


def _url(uri: str) -> str:
    """A URL that a report may be sent to: of a server with a domain name."""
    try:
        name = domain(urls.parse(uri).host) if len(uri) <= _LONGEST_URL else None
    except ValueError:
        return ""
    return uri if name and "." in name else ""
