"""Whom a message says it comes from and goes to, by all headers that tell (perldoc Mail::SpamAssassin::Conf, welcomelist_from and
welcomelist_to)."""

import re
from collections.abc import Iterator
from typing import Final

from gatepost.filter.evals.once import once
from gatepost.filter.headers.domains import LISTS, Registries, registries
from gatepost.filter.port import Examined

_FROM: Final = ("From:addr", "Envelope-Sender:addr", "Resent-Sender:addr", "X-Envelope-From:addr", "EnvelopeFrom:addr")
_TO: Final = (
    "To:addr", "Cc:addr", "Apparently-To:addr", "Delivered-To:addr", "Envelope-Recipients:addr", "Apparently-Resent-To:addr",
    "X-Envelope-To:addr", "Envelope-To:addr", "X-Delivered-To:addr", "X-Original-To:addr", "X-Rcpt-To:addr", "X-Real-To:addr",
)  # fmt: skip
_RESENT_TO: Final = ("Resent-To:addr", "Resent-Cc:addr")
_FOR: Final = re.compile(rb"\bfor <([^\s<>]{1,320}@[^\s<>]{1,320})>")


def _addresses(mail: Examined, names: tuple[str, ...]) -> Iterator[bytes]:
    for name in names:
        if value := mail.headers.get(name):
            yield from value.lower().split(b"\n")


@once
def senders(mail: Examined) -> list[bytes]:
    """Addresses in lower case, each once."""
    resent = list(_addresses(mail, ("Resent-From:addr",)))
    return list(dict.fromkeys(resent or _addresses(mail, _FROM)))


@once
def recipients(mail: Examined) -> list[bytes]:
    """Addresses in lower case, each once."""
    told = [address.encode().lower() for address in mail.session.recipients]
    resent = list(_addresses(mail, _RESENT_TO))
    named = resent or list(_addresses(mail, _TO))
    received = [match[1].lower() for raw in mail.headers.all("Received")[:100] if (match := _FOR.search(raw))]
    return list(dict.fromkeys((*told, *named, *received)))


@once
def known_registries(mail: Examined) -> Registries:
    """Those that the rule files list."""
    return registries({name: mail.option(name) for name in LISTS})
