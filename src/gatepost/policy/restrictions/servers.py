"""check_*_mx_access, check_*_ns_access, check_*_a_access: access(5) tables on the hosts that serve a name (postconf(5)).

What the DNS cannot tell is only logged: such a check never refuses for want of an answer. OK is not allowed as a
result, as whoever owns a domain decides what its records say.
"""

from collections.abc import Awaitable, Callable

from gatepost.lookup.port import Table
from gatepost.net.port import DnsFailure, Filtered, FilterFailed, NotFound
from gatepost.policy import keys, subjects
from gatepost.policy.access import search
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation, Subject
from gatepost.policy.port import Facts
from gatepost.policy.restrictions.names import is_address, literal_address
from gatepost.policy.restrictions.rows import TABLE, Row, Rows

HOSTS_LIMIT = 100
"""Hosts of one name, and addresses of one host, that are looked at; the rest is not asked about."""

Hosts = Callable[[Evaluation, str, str], Awaitable[tuple[str, ...]]]
"""(evaluation, domain, what to call it in a warning) -> host names."""


def dns_words(failure: DnsFailure) -> str:
    """A failed question in the words of Postfix's DNS client."""
    if isinstance(failure, Filtered):
        return "DNS reply filter policy"
    if isinstance(failure, FilterFailed):
        return failure.text
    if isinstance(failure, NotFound):
        return "Host found but no data record of requested type" if failure.exists else "Host not found"
    return "Host not found, try again"


async def _mail_exchangers(e: Evaluation, domain: str, called: str) -> tuple[str, ...]:
    """The MX hosts; without any, the domain itself (RFC 5321 §5.1)."""
    try:
        return tuple(exchanger.host for exchanger in await e.sources.resolver.mx(domain))
    except NotFound:
        return (domain,)
    except DnsFailure as failure:
        e.warn(f"Unable to look up MX host for {domain}: {dns_words(failure)}")
        return ()


async def _name_servers(e: Evaluation, domain: str, called: str) -> tuple[str, ...]:
    """The name servers of the domain, or of the closest parent that has any."""
    asked = domain
    while True:
        try:
            return await e.sources.resolver.ns(asked)
        except NotFound as failure:
            asked = asked.partition(".")[2]
            if not asked:
                e.warn(f"Unable to look up NS host for {called}: {dns_words(failure)}")
                return ()
        except DnsFailure as failure:
            e.warn(f"Unable to look up NS host for {asked}: {dns_words(failure)}")
            return ()


async def _itself(e: Evaluation, domain: str, called: str) -> tuple[str, ...]:
    return (domain,)


async def _check(e: Evaluation, table: Table, name: str, kind: str, subject: Subject) -> Decision:
    """Look up the hosts that serve `name` (a host or a mail address), by name and by address."""
    domain = name.rpartition("@")[2]
    if domain.startswith("[") or is_address(domain):
        address = literal_address(domain) or domain
        if kind == "NS" or not is_address(address):
            return DUNNO
        return await _address(e, table, address, subject) or DUNNO
    for host in (await _HOSTS[kind](e, domain, name))[:HOSTS_LIMIT]:
        found = await _host(e, table, host, kind, subject)
        if found is not None:
            return found
    return DUNNO


async def _host(e: Evaluation, table: Table, host: str, kind: str, subject: Subject) -> Decision | None:
    if not host:
        return None  # the null MX (RFC 7505)
    if kind != "A":
        found = await search(e, table, keys.domains(host, dotless_parents=e.sources.dotless_parents), subject)
        if found is not None:
            return found
    try:
        addresses = await e.sources.resolver.host(host)
    except DnsFailure as failure:
        if kind != "A":
            words = "Name or service not known" if isinstance(failure, NotFound) else "Temporary failure in name resolution"
            e.warn(f"Unable to look up {kind} host {host} for {subject.kind} {subject.name}: {words}")
        return None
    for address in addresses[:HOSTS_LIMIT]:
        found = await _address(e, table, address, subject)
        if found is not None:
            return found
    return None


async def _address(e: Evaluation, table: Table, address: str, subject: Subject) -> Decision | None:
    return await search(e, table, keys.networks(address), subject)


_HOSTS: dict[str, Hosts] = {"MX": _mail_exchangers, "NS": _name_servers, "A": _itself}

# The part of a restriction's name -> the name that is looked at, and what it is about.
_WHOM: dict[str, tuple[Callable[[Facts], str | None], Callable[[Facts], Subject]]] = {
    "client": (lambda facts: facts.client_name, subjects.client),
    "reverse_client_hostname": (lambda facts: facts.reverse_client_name, subjects.reverse_client),
    "helo": (lambda facts: facts.helo_name, subjects.helo),
    "sender": (lambda facts: facts.sender, subjects.sender),
    "recipient": (lambda facts: facts.recipient, subjects.recipient),
}


def _row(whom: str, kind: str) -> tuple[str, Row]:
    name_of, subject_of = _WHOM[whom]
    name = f"check_{whom}_{kind.lower()}_access"

    async def check(e: Evaluation, table: Table) -> Decision:
        target = name_of(e.facts)
        if not target or target == "unknown":
            return DUNNO
        decision = await _check(e, table, target, kind, subject_of(e.facts))
        if decision is not PERMIT:
            return decision
        e.warn(f"restriction {name} returns OK for {target}")
        e.warn("this is not allowed for security reasons")
        e.warn("use DUNNO instead of OK if you want to make an exception")
        return e.server_error()

    return name, Row(check, TABLE)


ROWS: Rows = dict(_row(whom, kind) for whom in _WHOM for kind in _HOSTS)
