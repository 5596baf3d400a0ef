"""An AnswerSource (net/port.py) over c-ares: name servers of resolv.conf(5), the hosts file where the system would ask it, and a
cache that keeps answers as long as their time to live allows.

Failure: NotFound where a name server says so, TryAgain for all else (time-outs among them); an answer is cut to its first
100 records, as Postfix does.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gatepost.mail.domain import to_ascii
from gatepost.net.answers import Answers
from gatepost.net.hosts_file import PATH, HostsFile
from gatepost.net.port import MX, SRV, Answer, DnsFailure, NotFound, TryAgain

if TYPE_CHECKING:
    import pycares
    from aiodns import DNSResolver

RECORDS_LIMIT = 100
_CACHE_LIMIT = 20_000
_KEPT_LIMIT = 4096
"""Characters of an answer that is kept: strangers choose what they have us ask for, and how much they answer."""
_LIBRARY_LIMIT = 64 << 20
"""Octets that c-ares may hold: it keeps every answer for its time to live, without a bound, and cannot be told otherwise."""
_LIBRARY_SHARE = 1024
_LIBRARY_FACTOR = 3
"""What c-ares needs for an answer, at most: so many octets, and so many for one of its texts. Measured, with version 1.34."""
_LONGEST = 3600.0
"""Seconds for which an answer is kept at most, whatever its time to live."""

_NO_DATA = 1  # ARES_ENODATA
_NO_NAME = frozenset((4, 8))  # ARES_ENOTFOUND, ARES_EBADNAME

_READ: Mapping[str, Callable[[Any], object]] = {
    "A": lambda data: str(data.addr),
    "AAAA": lambda data: str(data.addr),
    "MX": lambda data: MX(data.priority, data.exchange.rstrip(".")),
    "NS": lambda data: data.nsdname.rstrip("."),
    "PTR": lambda data: data.dname.rstrip("."),
    "SOA": lambda data: data.minimum,
    "SRV": lambda data: SRV(data.priority, data.weight, data.port, data.target.rstrip(".")),
    "TXT": lambda data: data.data.decode("utf-8", "surrogateescape"),
}
"""The value of a record, by its type; of SOA the one that says how long nothing counts (RFC 2308 §4)."""


class AresResolver(Answers):
    """`now`: seconds of any clock that goes forward; `nameservers`: addresses, with port where it is not 53, in place of the
    system's; `time_limit`: seconds for an answer, tries included; `transitional`: names that are not ASCII
    are asked for as in IDNA 2003."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        nameservers: Sequence[str] = (),
        hosts: Path = PATH,
        time_limit: float = 20.0,
        transitional: bool = False,
    ) -> None:
        self._now = now
        self._nameservers = nameservers
        self._hosts = HostsFile(hosts)
        self._time_limit = time_limit
        self._transitional = transitional
        self._ares: DNSResolver | None = None
        self._held = 0
        self._under_way: dict[DNSResolver, int] = {}
        self._cache: dict[tuple[str, str], Answer] = {}
        self._asked: dict[tuple[str, str], asyncio.Task[Answer]] = {}

    async def ptr(self, address: str) -> tuple[str, ...]:
        """Names of an IP address: the hosts file first, as getnameinfo(3) does."""
        if known := self._hosts.names(address):
            return known
        try:
            name = ipaddress.ip_address(address).reverse_pointer
        except ValueError:
            raise NotFound(address, "PTR", "not an IP address", exists=False) from None
        return cast(tuple[str, ...], (await self.answer(name, "PTR")).values)

    async def host(self, name: str) -> tuple[str, ...]:
        """All addresses of a host: the hosts file, then A and AAAA, as getaddrinfo(3) does."""
        if known := self._hosts.addresses(name):
            return known
        answers = await asyncio.gather(self.a(name), self.aaaa(name), return_exceptions=True)
        found: list[str] = []
        failures: list[DnsFailure] = []
        for answer in answers:
            if isinstance(answer, DnsFailure):
                failures.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer
        if found:
            return tuple(found)
        raise min(failures, key=lambda failure: isinstance(failure, NotFound))

    async def answer(self, name: str, record: str) -> Answer:
        """From the cache or the name server. A question already on its way is not asked again."""
        key = (name.lower().rstrip("."), record)
        entry = self._cache.get(key)
        if entry is not None and entry.expires > self._now():
            return entry
        task = self._asked.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, name))
            self._asked[key] = task
            task.add_done_callback(lambda done: self._answered(key, done))
        # One asker that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def _answered(self, key: tuple[str, str], task: "asyncio.Task[Answer]") -> None:
        self._asked.pop(key, None)
        if not task.cancelled():
            task.exception()  # so that it counts as seen where nobody waits any more

    async def _ask(self, key: tuple[str, str], name: str) -> Answer:
        ascii_name, record = key
        if not ascii_name.isascii():
            try:
                ascii_name = to_ascii(ascii_name, transitional=self._transitional)
            except UnicodeError:
                raise NotFound(name, record, "not a host name", exists=False) from None
        if not ascii_name.isprintable() or "\\" in ascii_name:
            raise NotFound(name, record, "not a host name", exists=False)
        from aiodns.error import DNSError

        try:
            async with asyncio.timeout(self._time_limit):
                result = await self._query(ascii_name, record)
        except DNSError as error:
            raise _failure(name, record, error) from None
        except TimeoutError:
            raise TryAgain(name, record, "time-out") from None
        return self._keep(key, name, result)

    async def _query(self, name: str, record: str) -> "pycares.DNSResult":
        """Ask c-ares. One that holds too much asks nothing more, and is closed when its last question is answered."""
        if self._ares is None:
            self._ares = self._open()
        ares = self._ares
        self._under_way[ares] = self._under_way.get(ares, 0) + 1
        self._held += _LIBRARY_SHARE
        try:
            result = await ares.query_dns(name, record)
            self._held += _LIBRARY_FACTOR * sum(len(answer.data.data) for answer in result.answer if hasattr(answer.data, "data"))
            return result
        finally:
            if self._held > _LIBRARY_LIMIT:
                self._ares, self._held = None, 0
            self._under_way[ares] -= 1
            if not self._under_way[ares]:
                del self._under_way[ares]
                if ares is not self._ares:
                    await ares.close()

    def _open(self) -> "DNSResolver":
        from aiodns import DNSResolver

        return DNSResolver(self._nameservers or None, timeout=5.0, tries=3)

    def _keep(self, key: tuple[str, str], name: str, result: "pycares.DNSResult") -> Answer:
        import pycares

        wanted = getattr(pycares, f"QUERY_TYPE_{key[1]}")
        answers = [answer for answer in result.answer if answer.type == wanted][:RECORDS_LIMIT]
        if not answers:
            raise NotFound(name, key[1], "no data", exists=True)
        # The chain of aliases lives no longer than its shortest-lived link.
        lifetime = min(_LONGEST, *(answer.ttl for answer in result.answer), _LONGEST)
        values = tuple(map(_READ[key[1]], (answer.data for answer in answers)))
        entry = Answer(values, answers[0].name.rstrip("."), answers[0].ttl, self._now() + lifetime)
        if sum(len(value.host if isinstance(value, MX) else str(value)) for value in values) > _KEPT_LIMIT:
            return entry
        if len(self._cache) >= _CACHE_LIMIT:
            del self._cache[next(iter(self._cache))]
        self._cache[key] = entry
        return entry

    @property
    def nameservers(self) -> Sequence[str]:
        """The name servers that are asked, as `address:port`."""
        if self._ares is None:
            self._ares = self._open()
        return self._ares.nameservers

    async def close(self) -> None:
        """Forget all questions."""
        if self._ares is not None:
            await self._ares.close()
            self._ares = None


def _failure(name: str, record: str, error: Exception) -> DnsFailure:
    code = error.args[0] if error.args else 0
    if code == _NO_DATA:
        return NotFound(name, record, "no data", exists=True)
    if code in _NO_NAME:
        return NotFound(name, record, "no such name", exists=False)
    return TryAgain(name, record, str(error.args[1]) if len(error.args) > 1 else "failure")
