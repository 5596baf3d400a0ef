"""Hosts and the domains that are registered for them, by the lists of rule files (util_rb_tld, util_rb_2tld, util_rb_3tld)."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

_HOST: Final = re.compile(
    rb"(?<![\w.'%\x80-\xff-])[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,20}(?![\w-]|\.[\w.-]|\.$)", re.ASCII
)
_BEHIND_AT: Final = re.compile(rb"@(" + _HOST.pattern + rb")", re.ASCII)
LISTS: Final = ("util_rb_tld", "util_rb_2tld", "util_rb_3tld")


class Registries(Struct, frozen=True):
    """Names below which others register theirs, by how many labels they have: `com`, `co.uk`."""

    one: frozenset[bytes] = frozenset()
    two: frozenset[bytes] = frozenset()
    three: frozenset[bytes] = frozenset()

    def registered(self, host: bytes) -> bytes:
        """The part of a host's name that somebody registered, in lower case."""
        labels = host.lower().rstrip(b".").split(b".")
        if b".".join(labels[-3:]) in self.three or (labels[-1] == b"us" and len(labels[-2:][0]) == 2):
            kept = 4  # RFC 1480: localities of a state
        else:
            kept = 3 if b".".join(labels[-2:]) in self.two else 2
        return b".".join(labels[-kept:])

    def is_host(self, name: bytes) -> bool:
        """Whether the last label of a name is a top level domain."""
        return name.rpartition(b".")[2].lower() in self.one


def registries(options: Mapping[str, Sequence[str]]) -> Registries:
    """Those that the settings of rule files list."""
    return _read(*[tuple(options.get(name, ())) for name in LISTS])


@functools.lru_cache(8)
def _read(*lists: tuple[str, ...]) -> Registries:
    return Registries(*[frozenset(" ".join(values).lower().encode().split()) for values in lists])


def host(value: bytes, known: Registries) -> bytes | None:
    """The host that a header's value names: behind the last `@` before one, else the first there is."""
    behind = [found for found in _BEHIND_AT.findall(value) if known.is_host(found)]
    if behind:
        return bytes(behind[-1])
    return next((found for found in _HOST.findall(value) if known.is_host(found)), None)
