"""A resolver that answers from a zone text: lines `name type data`, `#` starts a comment.

Types: A, AAAA, CNAME, MX, NS, PTR, SOA (its last number alone), SRV, TXT, and SERVFAIL (no data: every question about the name or
below it fails for now).
`*.name` answers for what is below `name` and not listed itself. A PTR may be named by the IP address. Names without case.
"""

import ipaddress
from collections.abc import Iterable

from gatepost.net.port import MX, SRV, Answer, NotFound, TryAgain

_CHAIN = 8


class FakeDns:
    """Implements `net.port.Resolver` over a zone, as unit/net/test_resolver_contract.py proves. `asked`: every question, as
    `name type`; `ttl`: of all records, in seconds."""

    def __init__(self, zone: str | Iterable[str]) -> None:
        self._records: dict[tuple[str, str], list[str]] = {}
        self._names: set[str] = set()
        self._failing: set[str] = set()
        self.asked: list[str] = []
        self.ttl = 3600
        for line in zone.splitlines() if isinstance(zone, str) else zone:
            self._add(line)

    def _add(self, line: str) -> None:
        fields = line.split(None, 2)
        if not fields or fields[0].startswith("#"):
            return
        name, kind = _name(fields[0]), fields[1].upper()
        if kind == "PTR" and _is_address(name):
            name = _reverse(name)
        if kind == "SERVFAIL":
            self._failing.add(name)
            return
        self._records.setdefault((name, kind), []).append(fields[2].strip())
        while name:  # an empty non-terminal exists, too (RFC 8020)
            self._names.add(name)
            name = name.partition(".")[2]

    def _ask(self, asked: str, kind: str) -> list[str]:
        self.asked.append(f"{asked} {kind}")
        name = _name(asked)
        for _ in range(_CHAIN):
            if any(name == failing or name.endswith("." + failing) for failing in self._failing):
                raise TryAgain(asked, kind, "Host not found, try again")
            owner = self._owner(name)
            if owner is None:
                raise NotFound(asked, kind, "Host not found", exists=False)
            if data := self._records.get((owner, kind)):
                return data
            alias = self._records.get((owner, "CNAME"))
            if alias is None:
                break
            name = _name(alias[0])
        raise NotFound(asked, kind, "Host found but no data record of requested type", exists=True)

    def _owner(self, name: str) -> str | None:
        """The name whose records answer for `name` (RFC 4592)."""
        if name in self._names:
            return name
        parent = name.partition(".")[2]
        while parent:
            if f"*.{parent}" in self._names:
                return f"*.{parent}"
            if parent in self._names:
                return None
            parent = parent.partition(".")[2]
        return None

    async def answer(self, name: str, record: str) -> Answer:
        """Of A and SOA."""
        values: tuple[object, ...] = await self.a(name) if record == "A" else tuple(map(int, self._ask(name, record)))
        return Answer(values, name, self.ttl, 0.0)

    async def mx(self, name: str) -> tuple[MX, ...]:
        pairs = (data.split() for data in self._ask(name, "MX"))
        return tuple(sorted(MX(int(preference), host.rstrip(".")) for preference, host in pairs))

    async def a(self, name: str) -> tuple[str, ...]:
        return tuple(self._ask(name, "A"))

    async def aaaa(self, name: str) -> tuple[str, ...]:
        return tuple(self._ask(name, "AAAA"))

    async def srv(self, name: str) -> tuple[SRV, ...]:
        fields = (data.split() for data in self._ask(name, "SRV"))
        return tuple(SRV(int(priority), int(weight), int(port), target.rstrip(".")) for priority, weight, port, target in fields)

    async def txt(self, name: str) -> tuple[str, ...]:
        return tuple(data.strip('"') for data in self._ask(name, "TXT"))

    async def ns(self, name: str) -> tuple[str, ...]:
        return tuple(data.rstrip(".") for data in self._ask(name, "NS"))

    async def ptr(self, address: str) -> tuple[str, ...]:
        if not _is_address(address):
            raise NotFound(address, "PTR", "not an IP address", exists=False)
        return tuple(data.rstrip(".") for data in self._ask(_reverse(address), "PTR"))

    async def host(self, name: str) -> tuple[str, ...]:
        found: list[str] = []
        failure: NotFound | TryAgain | None = None
        for kind in ("A", "AAAA"):
            try:
                found += self._ask(name, kind)
            except (NotFound, TryAgain) as now:
                failure = failure if isinstance(failure, TryAgain) else now
        if not found and failure is not None:
            raise failure
        return tuple(found)


def _name(text: str) -> str:
    return text.rstrip(".").lower()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _reverse(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer
