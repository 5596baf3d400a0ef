"""Headers as rules name them: `From:addr`, `Subject:raw`, `ToCc`, `X-Spam-Relays-Untrusted` (perldoc Mail::SpamAssassin::Conf,
header)."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from gatepost.filter.headers.domains import Registries, registries
from gatepost.filter.headers.encoded_words import decoded
from gatepost.filter.headers.envelope import envelope_sender
from gatepost.filter.headers.modifiers import STEPS, Name, wanted
from gatepost.filter.headers.section import Field, Section
from gatepost.filter.headers.values import text, unfolded
from gatepost.filter.port import Relay, Relays, Session

_SEVERAL: Final = {"ToCc": ("To", "Cc"), "MESSAGEID": ("X-Message-Id", "Resent-Message-Id", "Message-Id")}
"""Names that stand for several headers."""

_INNER: Final = frozenset(("ALL-TRUSTED", "ALL-INTERNAL"))
_SIDES: Final = frozenset((*_INNER, "ALL-UNTRUSTED", "ALL-EXTERNAL"))
_HOPS: Final = "X-Spam-Relays-"


class View:
    """A HeaderView of `headers` (`section.section`). `options`: settings of the rule files by name, one value an occurrence."""

    def __init__(
        self, headers: Section, relays: Relays, session: Session, options: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._headers = headers
        self._relays = relays
        self._session = session
        self._options = options or {}
        self._fields: dict[bytes, list[Field]] = {}
        for field in headers.fields:
            self._fields.setdefault(field.key, []).append(field)
        self._known: dict[str, bytes | None] = {}

    def get(self, name: str) -> bytes | None:
        """See port.HeaderView."""
        if name not in self._known:
            self._known[name] = self._get(wanted(name))
        return self._known[name]

    def all(self, name: str) -> Sequence[bytes]:
        """See port.HeaderView."""
        return [field.raw for field in self._fields.get(name.lower().encode(), ())]

    def _get(self, name: Name) -> bytes | None:
        if name.base == "ALL" or name.base in _SIDES:
            return self._all(name)
        if name.base.startswith(_HOPS):
            return self._hops(name.base.removeprefix(_HOPS))
        if name.base == "EnvelopeFrom":
            sender = envelope_sender(self._headers, self._session, self._relays, self._options)
            return self._made([sender] if sender else [], name)
        if name.steps:
            return self._made([unfolded(field.raw) for field in self._chosen(name)], name)
        values = [field.raw if name.raw else text(field.key, field.raw) for field in self._chosen(name)]
        return b"".join([value + b"\n" for value in values]) if values else None

    def _chosen(self, name: Name) -> list[Field]:
        names = _SEVERAL.get(name.base, (name.base,))
        fields = [field for one in names for field in self._fields.get(one.lower().encode(), ())]
        if name.first or name.last:
            return fields[:1] if name.first else fields[-1:]
        return fields

    def _made(self, values: list[bytes], name: Name) -> bytes | None:
        """What the modifiers make of unfolded values."""
        for step in name.steps:
            if step in ("host", "ip"):
                values = [decoded(value) for value in values]
            values = list(STEPS[step](values, self._registries))
        if "name" in name.steps and not name.raw:
            values = [b" ".join(decoded(value).split()) or b" " for value in values]
        return b"\n".join(values) if values else None

    @cached_property
    def _registries(self) -> Registries:
        return registries(self._options)

    def _all(self, name: Name) -> bytes | None:
        """ALL, ALL-TRUSTED and the like: name and value of the fields."""
        if name.raw and name.base == "ALL":
            return self._headers.octets
        fields = self._headers.fields if name.base == "ALL" else self._side(name.base)
        if name.raw:
            return b"".join([b"%b:%b\n" % (field.name, field.raw) for field in fields]) or None
        return b"".join([b"%b: %b\n" % (field.name, text(field.key, field.raw)) for field in fields]) or None

    def _side(self, base: str) -> Sequence[Field]:
        """The fields of one side. The line in which the last host that is believed tells of the first that is not is on both."""
        line = self._relays.untrusted_line if base.endswith("TRUSTED") else self._relays.external_line
        inner = base in _INNER
        fields = self._headers.fields
        received = [index for index, field in enumerate(fields) if field.key == b"received"]
        if line is None or line >= len(received):
            return fields if inner else ()
        if line < 0:
            return () if inner else fields
        at = received[line]
        return fields[: at + 1] if inner else fields[at:]

    def _hops(self, which: str) -> bytes | None:
        """X-Spam-Relays-*."""
        relays: tuple[Relay, ...] | None = getattr(self._relays, which.lower(), None)
        if not isinstance(relays, tuple):
            return None
        return " ".join([written(relay) for relay in relays]).encode("latin-1", "replace")


def written(relay: Relay) -> str:
    """A hop as X-Spam-Relays-* has it."""
    return (
        f"[ ip={relay.ip} rdns={relay.rdns} helo={relay.helo} by={relay.by} ident={relay.ident} envfrom={relay.envfrom}"
        f" intl={relay.intl:d} id={relay.id} auth={relay.auth} msa={relay.msa:d} ]"
    )
