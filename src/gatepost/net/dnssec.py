"""Answers of a validating name server, with its word on whether DNSSEC vouches for them: the AD bit (RFC 6840 §5.7, §5.8).

The name servers are those of resolv.conf(5), which must be trusted, and so must the way to them: best is one on this host. They are
asked with the bits AD and DO. c-ares keeps the AD bit to itself, which is why another library asks here.

Failure: NotFound where a name server says so, TryAgain for all else; what does not validate is SERVFAIL, so TryAgain too. The next
name server is asked where one does not answer, or fails.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatepost.mail.domain import to_ascii
from gatepost.net.dns import RECORDS_LIMIT
from gatepost.net.dns_exchange import exchange
from gatepost.net.port import MX, SRV, TLSA, Answer, DnsFailure, NotFound, TryAgain

if TYPE_CHECKING:
    import dns.message

_CACHE_LIMIT = 5000
_KEPT_LIMIT = 4096
"""Octets of an answer that is kept: strangers choose what is asked for, and how much they answer."""
_LONGEST = 3600.0
"""Seconds for which an answer is kept at most, whatever its time to live."""
_PAYLOAD = 1232  # octets of a UDP answer that come in one piece anywhere
_SERVER_LIMIT = 5.0
_TRIES = 2
_AT_ONCE = 500
"""Questions on their way; more wait for their turn."""


def _name(name: object) -> str:
    return str(name).rstrip(".")


_READ: Mapping[str, Callable[[Any], object]] = {
    "A": lambda data: data.address,
    "AAAA": lambda data: data.address,
    "MX": lambda data: MX(data.preference, _name(data.exchange)),
    "NS": lambda data: _name(data.target),
    "SRV": lambda data: SRV(data.priority, data.weight, data.port, _name(data.target)),
    "TLSA": lambda data: TLSA(data.usage, data.selector, data.mtype, data.cert),
}
"""The value of a record, by its type."""


MALFORMED = TLSA(255, 255, 255, b"")
"""What stands for a record that cannot be read: it is there, and of no use."""


class DnssecResolver:
    """A SecureSource. `now`: seconds of any clock that goes forward; `nameservers`: addresses, each with its port, in place of the
    system's; `time_limit`: seconds for an answer, tries included."""

    def __init__(self, now: Callable[[], float], *, nameservers: Sequence[tuple[str, int]] = (), time_limit: float = 20.0) -> None:
        self._now = now
        self._nameservers = nameservers
        self._time_limit = time_limit
        self._cache: dict[tuple[str, str], Answer] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, name: str, record: str) -> Answer:
        """From the cache or a name server."""
        key = (name.lower().rstrip("."), record)
        entry = self._cache.get(key)
        if entry is not None and entry.expires > self._now():
            return entry
        try:
            async with asyncio.timeout(self._time_limit), self._turns:
                entry = await self._ask(name, record)
        except TimeoutError:
            raise TryAgain(name, record, "time-out") from None
        self._keep(key, entry)
        return entry

    async def _ask(self, name: str, record: str) -> Answer:
        """Ask one name server after the other."""
        import dns.exception
        import dns.flags
        import dns.message

        try:
            asked = name if name.isascii() else to_ascii(name)
            if "\\" in asked or not asked.isprintable():
                raise ValueError
            question = dns.message.make_query(
                asked, record, use_edns=0, want_dnssec=True, payload=_PAYLOAD, flags=dns.flags.RD | dns.flags.AD
            )
        except (dns.exception.DNSException, UnicodeError, ValueError):
            raise NotFound(name, record, "not a host name", exists=False) from None
        failure: DnsFailure = TryAgain(name, record, "no name server")
        for server in tuple(self._nameservers or _system()) * _TRIES:
            try:
                octets = await exchange(question.to_wire(), server, _SERVER_LIMIT)
                reply = dns.message.from_wire(octets, continue_on_error=True, ignore_trailing=True)
                return self._read(name, record, reply)
            except TryAgain as trouble:
                failure = trouble
            except (dns.exception.DNSException, OSError, EOFError) as error:
                failure = TryAgain(name, record, str(error) or type(error).__name__)
        raise failure

    def _read(self, name: str, record: str, reply: "dns.message.Message") -> Answer:
        """What a reply says. Raises NotFound, TryAgain, DNSException."""
        import dns.flags
        import dns.message
        import dns.rcode

        code = reply.rcode()
        if code == dns.rcode.NXDOMAIN:
            raise NotFound(name, record, "no such name", exists=False)
        if code != dns.rcode.NOERROR or not isinstance(reply, dns.message.QueryMessage):
            raise TryAgain(name, record, dns.rcode.to_text(code))
        if reply.errors and record != "TLSA":
            raise TryAgain(name, record, "malformed reply")
        chain = reply.resolve_chaining()
        if chain.answer is None and not reply.errors:
            raise NotFound(name, record, "no data", exists=True)
        values = tuple(_READ[record](data) for data in list(chain.answer or ())[:RECORDS_LIMIT])
        if reply.errors:  # records of no use are not the same as none (RFC 7672 §2.1.1)
            values += (MALFORMED,)
        lifetime = min(float(chain.minimum_ttl), _LONGEST)
        secure = bool(reply.flags & dns.flags.AD)
        ttl = chain.answer.ttl if chain.answer else 0
        return Answer(values, _name(chain.canonical_name), ttl, self._now() + lifetime, secure)

    def _keep(self, key: tuple[str, str], entry: Answer) -> None:
        if sum(len(value.data) if isinstance(value, TLSA) else len(str(value)) for value in entry.values) > _KEPT_LIMIT:
            return
        self._cache.pop(key, None)
        if len(self._cache) >= _CACHE_LIMIT:
            del self._cache[next(iter(self._cache))]
        self._cache[key] = entry


def _system() -> Sequence[tuple[str, int]]:
    """The name servers of resolv.conf(5), read anew each time: it is short, and changes."""
    import dns.resolver

    try:
        found = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return (("127.0.0.1", 53),)
    return [(str(server), found.port) for server in found.nameservers]
