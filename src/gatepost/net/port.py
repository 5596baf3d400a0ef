"""The port of a resolver, and what it may raise. Implementations: `net/dns.py` (c-ares) and
`net/dnssec.py`; tests use a table of records."""

from typing import Protocol

from msgspec import Struct


class DnsFailure(Exception):
    """A look-up that gave no data. `name`: what was asked; `record`: its type; `text`: in words, without secrets."""

    def __init__(self, name: str, record: str, text: str) -> None:
        super().__init__(f"{name} type {record}: {text}")
        self.name = name
        self.record = record
        self.text = text


class NotFound(DnsFailure):
    """The name does not exist (`exists` False, NXDOMAIN) or has no such record (`exists` True, NODATA)."""

    def __init__(self, name: str, record: str, text: str, *, exists: bool) -> None:
        super().__init__(name, record, text)
        self.exists = exists


class BadName(NotFound):
    """The name is none that could be asked for."""


class TryAgain(DnsFailure):
    """SERVFAIL, time-out or no server: nothing is known; ask again later."""


class Filtered(DnsFailure):
    """There are such records, and a filter of answers has dropped them all (postconf(5), smtp_dns_reply_filter)."""


class FilterFailed(TryAgain):
    """There are such records, and which of them count is not known: the filter could not be asked, or said nothing sensible."""


class MX(Struct, frozen=True, order=True):
    """One mail exchanger (RFC 5321 §5.1); host `""` is the null MX (RFC 7505). `port`: where SRV told one, else 0."""

    preference: int
    host: str
    port: int = 0


class SRV(Struct, frozen=True, order=True):
    """One host of a service (RFC 2782); target `""`: the domain has no such service."""

    priority: int
    weight: int
    port: int
    target: str


_SHOWN = 128
"""Digits of a record that texts have: the longest digest, of a certificate its beginning."""


class TLSA(Struct, frozen=True):
    """What a certificate is known by (RFC 6698 §2.1). `data` is empty where the record cannot be read."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        data = self.data.hex().upper()
        shown = data if len(data) <= _SHOWN else f"{data[:_SHOWN]}..."
        return f"{self.usage} {self.selector} {self.matching} {shown}" if data else "malformed"


class Answer(Struct, frozen=True, gc=False):
    """The records that answer a question, which have one name and one time to live (RFC 2181 §5).

    - `values`: what a Resolver gives for their type.
    - `owner`: their name, without the final dot; an alias may have led there.
    - `ttl`: seconds to live when the answer came.
    - `expires`: until when the answer may be used again, seconds of the resolver's clock.
    - `secure`: DNSSEC vouches for it, aliases included, as a source that looks for this was told.
    """

    values: tuple[object, ...]
    owner: str
    ttl: int
    expires: float
    secure: bool = False


class Resolver(Protocol):
    """Questions to the DNS. Every method raises NotFound or TryAgain; names come back without the final dot."""

    async def mx(self, name: str) -> tuple[MX, ...]: ...

    async def a(self, name: str) -> tuple[str, ...]: ...

    async def aaaa(self, name: str) -> tuple[str, ...]: ...

    async def srv(self, name: str) -> tuple[SRV, ...]: ...

    async def txt(self, name: str) -> tuple[str, ...]: ...

    async def ns(self, name: str) -> tuple[str, ...]: ...

    async def ptr(self, address: str) -> tuple[str, ...]:
        """Names of an IP address by reverse look-up (the hosts file first, as getnameinfo does)."""
        ...

    async def host(self, name: str) -> tuple[str, ...]:
        """All addresses of a host name by the system's ways (hosts file, then A and AAAA), as getaddrinfo does."""
        ...


class AnswerSource(Resolver, Protocol):
    """A Resolver that also tells of whole records."""

    async def answer(self, name: str, record: str) -> Answer:
        """The records of a type (`A`, `MX` ...). Raises NotFound or TryAgain."""
        ...


class SecureSource(Protocol):
    """Answers of which it is known whether DNSSEC vouches for them."""

    async def answer(self, name: str, record: str) -> Answer:
        """The records of a type (`A`, `AAAA`, `MX`, `SRV`, `TLSA`). Raises NotFound or TryAgain, the latter for what DNSSEC
        shows to be forged."""
        ...
