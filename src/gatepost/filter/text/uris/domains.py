"""Hosts and the domains that somebody has registered, by what rule files say of top-level domains."""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

_LONGEST: Final = 255
_HOST: Final = re.compile(r"(?:[a-z0-9][a-z0-9_-]{0,62}\.)+[a-z0-9-]{2,63}\Z")
_ADDRESS: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|\Z)){4}(?<!\.)\Z")


class Domains(Struct, frozen=True):
    """top: top-level domains, empty if nobody knows which there are.
    second, third: those of two and three labels below which anybody can register a domain.
    """

    top: frozenset[str]
    second: frozenset[str] = frozenset()
    third: frozenset[str] = frozenset()

    def registered(self, host: str) -> str:
        """The domain of `host` (lower case) that somebody has registered, the host itself if it is an address; empty if there is
        no such host.
        """
        if len(host) > _LONGEST:
            return ""
        if _ADDRESS.match(host):
            return host
        if not _HOST.match(host) or "-." in host or "_" in ".".join(host.split(".")[-2:]):
            return ""
        labels = host.split(".")
        if labels[-1] not in self.top and (self.top or not labels[-1].isalpha()):
            return ""
        if ".".join(labels[-3:]) in self.third:
            return ".".join(labels[-4:])
        return ".".join(labels[-3:] if ".".join(labels[-2:]) in self.second else labels[-2:])


def domains(top: Iterable[str], second: Iterable[str], third: Iterable[str]) -> Domains:
    """By the values of the settings `util_rb_tld`, `util_rb_2tld` and `util_rb_3tld`."""
    return Domains(_words(top), _words(second), _words(third))


def _words(values: Iterable[str]) -> frozenset[str]:
    return frozenset([word.lower().strip(".") for value in values for word in value.split()])
