"""A message at hand, as functions of rules see it, made of what a test says."""

import re
from collections.abc import Mapping, Sequence

from gatepost.filter.port import HeaderView, Part, Relays, Session, Text
from gatepost.filter.text.parts import parts


class Headers:
    """Fulfils port.HeaderView."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = values

    def get(self, name: str) -> bytes | None:
        return self._values.get(name)

    def all(self, name: str) -> Sequence[bytes]:
        value = self._values.get(name)
        return [] if value is None else [value]


class Message:
    """Fulfils port.Examined."""

    def __init__(
        self,
        octets: bytes = b"",
        text: Text = Text(),
        *,
        headers: Mapping[str, bytes] | None = None,
        options: Mapping[str, tuple[str, ...]] | None = None,
        relays: Relays = Relays(),
        kind: str = "body",
    ) -> None:
        self.octets = octets
        self.text = text
        self.headers: HeaderView = Headers(headers or {})
        self.relays = relays
        self.kind = kind
        self.session = Session()
        self.options = options or {}

    @property
    def parts(self) -> tuple[Part, ...]:
        return parts(self.octets)

    def option(self, name: str) -> tuple[str, ...]:
        return self.options.get(name, ())

    def search(self, pattern: str, text: bytes) -> bytes | None:
        found = re.search(pattern.encode("latin-1"), text)
        return found.group() if found else None

    def note(self, rule: str, matched: bytes) -> None:
        pass
