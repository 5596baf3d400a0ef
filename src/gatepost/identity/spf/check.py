"""SPF of one message: who is not asked about, then the HELO identity, then MAIL FROM (RFC 7208 §2.3, §2.4).

Failure: see lookups.py; a list that cannot be asked raises LookupFailure, for whoever asked to say so.
"""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address

from msgspec import Struct

from gatepost.identity.spf.evaluation import a_labels, check_host
from gatepost.identity.spf.lookups import ask, conclude
from gatepost.identity.spf.port import Case, Identity, Question, Result, Verdict
from gatepost.identity.spf.settings import SpfSettings
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.mail.ascii_text import elements
from gatepost.net.port import Resolver


class Client(Struct, frozen=True):
    """Whom a message comes from. `name`: verified, or `unknown`; `helo`, `sender`: empty where there is none."""

    address: str
    name: str
    helo: str
    sender: str


class Finding(Struct, frozen=True):
    """What was found out about a client and its message: a fact of the session.

    - `skipped`: why nobody was asked; empty where somebody was.
    - `helo`, `mail_from`: None where that identity was not asked about.
    """

    client: Client
    skipped: str = ""
    helo: Verdict | None = None
    mail_from: Verdict | None = None

    @property
    def decisive(self) -> Verdict | None:
        """The verdict that stands for the message: of MAIL FROM, unless its domain has no policy and that of HELO has."""
        helo, mail_from = self.helo, self.mail_from
        if mail_from is None or (mail_from.result is Result.NONE and helo is not None and helo.result is not Result.NONE):
            return helo
        return mail_from

    @property
    def passed_domain(self) -> str:
        """The domain of MAIL FROM where SPF says that this client may use it, else empty."""
        return self.mail_from.domain if self.mail_from is not None and self.mail_from.result is Result.PASS else ""


class Lists(Struct, frozen=True):
    """The lists of parameters that `Checker` asks."""

    skip_addresses: MatchList
    whitelist: MatchList
    helo_whitelist: MatchList
    domain_whitelist_ptr: MatchList
    reject_not_pass_domains: MatchList

    @classmethod
    def opened(cls, settings: SpfSettings, tables: Tables) -> "Lists":
        warn = tables.warn
        return cls(
            skip_addresses=MatchList.addresses(settings.spf_skip_addresses, tables, "spf_skip_addresses", warn),
            whitelist=MatchList.addresses(settings.spf_whitelist, tables, "spf_whitelist", warn),
            helo_whitelist=MatchList.strings(settings.spf_helo_whitelist, tables, "spf_helo_whitelist", warn),
            domain_whitelist_ptr=MatchList.domains(
                settings.spf_domain_whitelist_ptr, tables, "spf_domain_whitelist_ptr", warn, parents=True
            ),
            reject_not_pass_domains=MatchList.domains(
                settings.spf_reject_not_pass_domains, tables, "spf_reject_not_pass_domains", warn, parents=True
            ),
        )


class Checker:
    """Asks about the clients of one service. `resolver`: who asks the DNS for a client, by its address. `clock`: seconds since
    1970."""

    def __init__(
        self, settings: SpfSettings, lists: Lists, resolver: Callable[[str], Resolver], clock: Callable[[], float]
    ) -> None:
        self.settings = settings
        self.lists = lists
        self._resolver = resolver
        self._clock = clock
        self._forwarders = elements(settings.spf_domain_whitelist)

    async def find(self, client: Client) -> Finding:
        """Everything that is to be known. Raises LookupFailure."""
        address = _address(client.address)
        if not address:
            return Finding(client, skipped="SPF check N/A for local connections")
        lists = self.lists
        if await lists.skip_addresses.matches(address):
            return Finding(client, skipped="SPF check N/A for local connections")
        if await lists.whitelist.matches(address):
            return Finding(client, skipped="SPF skipped for whitelisted relay")
        if client.name != "unknown" and await lists.domain_whitelist_ptr.matches(client.name):
            return Finding(client, skipped="SPF skipped for PTR whitelisted relay domain")
        helo_is_listed = bool(client.helo) and await lists.helo_whitelist.matches(client.helo)
        return await self._within_time(client, address, helo_is_listed)

    async def _within_time(self, client: Client, address: str, helo_is_listed: bool) -> Finding:
        """What takes answers of the DNS; spf_lookup_time is for all of it."""
        helo: Verdict | None = None
        try:
            async with asyncio.timeout(self.settings.spf_lookup_time):
                for domain in self._forwarders:
                    verdict = await self._host(address, domain, f"@{domain}", client.helo, Identity.MAIL_FROM)
                    if verdict.result is Result.PASS:
                        return Finding(client, skipped="SPF skipped for whitelisted relay domain")
                if helo_is_listed and await self._is_at(client.helo, address):
                    return Finding(client, skipped="SPF skipped for whitelisted HELO domain")
                if client.helo and self._asks_helo(client):
                    helo = await self._host(address, client.helo, f"postmaster@{client.helo}", client.helo, Identity.HELO)
                if client.sender and self.settings.spf_mail_from_check:
                    domain = client.sender.rpartition("@")[2]
                    mail_from = await self._host(address, domain, client.sender, client.helo, Identity.MAIL_FROM)
                    return Finding(client, helo=helo, mail_from=mail_from)
                return Finding(client, helo=helo)
        except TimeoutError:
            return self._out_of_time(client, helo)

    def _asks_helo(self, client: Client) -> bool:
        wanted = self.settings.spf_helo_check
        return wanted == "yes" or (wanted == "null_sender" and not client.sender)

    def _out_of_time(self, client: Client, helo: Verdict | None) -> Finding:
        """No answer in time for whichever identity was being asked about."""
        late = f"no answers within {self.settings.spf_lookup_time:g} seconds"
        if helo is None and client.helo and self._asks_helo(client):
            helo = Verdict(result=Result.TEMPERROR, identity=Identity.HELO, domain=a_labels(client.helo), problem=late)
        if not client.sender or not self.settings.spf_mail_from_check:
            return Finding(client, helo=helo)
        domain = a_labels(client.sender.rpartition("@")[2])
        mail_from = Verdict(result=Result.TEMPERROR, identity=Identity.MAIL_FROM, domain=domain, problem=late)
        return Finding(client, helo=helo, mail_from=mail_from)

    async def _host(self, address: str, domain: str, sender: str, helo: str, identity: Identity) -> Verdict:
        case = Case(
            address=address,
            domain=domain,
            sender=sender,
            helo=helo,
            identity=identity,
            receiver=self.settings.myhostname,
            now=self._clock(),
            void_limit=self.settings.spf_void_limit,
        )
        return await conclude(check_host(case), self._resolver(address))

    async def _is_at(self, name: str, address: str) -> bool:
        """Whether a name that a client gives itself has its address, so that not everybody can take it."""
        record = "AAAA" if ":" in address else "A"
        answer = await ask(self._resolver(address), Question(record, a_labels(name)))
        return any(ip_address(value) == ip_address(address) for value in answer.values)


def _address(text: str) -> str:
    """The client's address as SPF sees it, an IPv4 one for one that is mapped into IPv6 (§5); empty where it has none."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return "" if "%" in text else str(getattr(address, "ipv4_mapped", None) or address)
