"""Functions of FreeMail: addresses of services that give everybody one (perldoc Mail::SpamAssassin::Plugin::FreeMail)."""

import functools
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.evals.once import once
from gatepost.filter.evals.senders import senders
from gatepost.filter.port import Eval, Examined

_ADDRESS: Final = re.compile(
    rb"(?<![\w.+-])([a-z0-9][a-z0-9._+=-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,18})(?![\w@-]|\.\w)",
    re.IGNORECASE,
)
_NOBODY: Final = re.compile(rb"(?:abuse|support|sales|info|helpdesk|contact|kontakt)@|[^@]*\+caf_=")
"""Addresses of roles, and of forwarders who write the sender into theirs."""

_LIST: Final = ("List-Id", "List-Post", "Mailing-List", "X-Mailing-List", "X-Loop", "X-BeenThere")
_QUOTED: Final = re.compile(rb"[\s>]{0,20}wrote\b")
_BODY_ADDRESSES: Final = 5
_BODY_FREEMAILS: Final = 3
_SCANNED: Final = 200_000
"""Addresses of a body above which it says nothing, and of services from which on; octets of it that are looked at."""


class _Services(Struct, frozen=True):
    """Names of services without a wildcard, an expression for the others, and addresses and domains that are none."""

    names: frozenset[bytes]
    patterns: re.Pattern[bytes]
    welcome: frozenset[bytes]


@functools.lru_cache(4)
def _read(domains: tuple[str, ...], welcome: tuple[str, ...]) -> _Services:
    words = " ".join(domains).lower().split()
    patterns = [word for word in words if "*" in word or "?" in word]
    return _Services(
        names=frozenset(word.encode() for word in words),
        patterns=re.compile("|".join(_pattern(word) for word in patterns).encode() or b"(?!)"),
        welcome=frozenset(" ".join(welcome).lower().encode().split()),
    )


def _pattern(word: str) -> str:
    """A wildcard stands for no dot."""
    return re.escape(word).replace(r"\*", "[^.]*").replace(r"\?", "[^.]")


@once
def _services(mail: Examined) -> _Services:
    return _read(mail.option("freemail_domains"), mail.option("freemail_welcomelist"))


def is_freemail(mail: Examined, address: bytes) -> bool:
    """Whether a service gives everybody an address like this."""
    address = address.lower()
    _, at, domain = address.rpartition(b"@")
    known = _services(mail)
    if not at or _NOBODY.match(address) or address in known.welcome or domain in known.welcome:
        return False
    return domain in known.names or known.patterns.fullmatch(domain) is not None


def _fits(mail: Examined, address: bytes, arguments: Sequence[str]) -> bool:
    return not arguments or not arguments[0] or mail.search(arguments[0], address) is not None


def check_freemail_from(mail: Examined, arguments: Sequence[str]) -> int:
    """A sender has an address of such a service."""
    return int(any(is_freemail(mail, address) and _fits(mail, address, arguments) for address in senders(mail)))


def check_freemail_header(mail: Examined, arguments: Sequence[str]) -> int:
    """A header holds one."""
    name, *pattern = arguments
    value = mail.headers.get(name if ":" in name or name == "EnvelopeFrom" else f"{name}:addr") or b""
    found = value.lower().split(b"\n")
    return int(any(is_freemail(mail, address) and _fits(mail, address, pattern) for address in found))


def _in_body(mail: Examined) -> list[bytes]:
    """Addresses of services in the body, those of quoted authors left out; none where there are too many to say anything."""
    links = [uri.raw.partition(b"?")[0] for uri in mail.text.uris if uri.raw.startswith(b"mailto:")]
    text = b"\n".join((*mail.text.body[1:], *links))[:_SCANNED]
    named = [match[1].lower() for match in _ADDRESS.finditer(text) if not _QUOTED.match(text, match.end())]
    found = list(dict.fromkeys(named))
    if len(found) > _BODY_ADDRESSES:
        return []
    freemails = [address for address in found if is_freemail(mail, address)]
    return freemails if len(freemails) < _BODY_FREEMAILS else []


def check_freemail_body(mail: Examined, arguments: Sequence[str]) -> int:
    """The body holds one."""
    return int(any(_fits(mail, address, arguments) for address in _in_body(mail)))


def check_freemail_replyto(mail: Examined, arguments: Sequence[str]) -> int:
    """Replies go to another address of such a service than the message comes from, or (`reply`) than the body names."""
    sender, reply = _first(mail, "From:addr"), _first(mail, "Reply-To:addr")
    whole = "reply" in arguments
    if any(mail.headers.get(name) for name in _LIST) or (whole and not is_freemail(mail, sender)):
        return 0
    if reply and is_freemail(mail, reply):
        differs = is_freemail(mail, sender) and reply != sender
        return int(differs or any(address != reply for address in _in_body(mail)))
    return int(whole and not reply and any(address != sender for address in _in_body(mail)))


def _first(mail: Examined, name: str) -> bytes:
    return (mail.headers.get(name) or b"").lower().split(b"\n")[0]


EVALS: Final[dict[str, Eval]] = {
    function.__name__: function
    for function in (check_freemail_from, check_freemail_header, check_freemail_body, check_freemail_replyto)
}
