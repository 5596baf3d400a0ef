"""permit_mx_backup: relay for domains whose DNS names us as a mail exchanger of second rank (postconf(5))."""

from collections.abc import Iterable

from gatepost.lookup.match_list import MatchList
from gatepost.net.port import MX, DnsFailure, NotFound
from gatepost.policy import subjects
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation
from gatepost.policy.restrictions.relay import authorized
from gatepost.policy.restrictions.rows import Row, Rows
from gatepost.policy.restrictions.servers import HOSTS_LIMIT, dns_words


async def permit_mx_backup(e: Evaluation, _: None) -> Decision:
    """As the DNS of others decides, a domain that names us as its primary exchanger is not taken on its word."""
    recipient = e.facts.recipient or ""
    if await authorized(e, recipient):
        return PERMIT
    route = await e.route(recipient)
    domain = route.recipient.rpartition("@")[2]
    if (route.routed and not e.settings.allow_untrusted_routing) or domain.startswith("["):
        return DUNNO
    e.looked_up("DNS", domain)
    try:
        exchangers = (await e.sources.resolver.mx(domain))[:HOSTS_LIMIT]
        return PERMIT if await _is_backup(e, exchangers) else DUNNO
    except NotFound:
        return DUNNO
    except DnsFailure as failure:
        text = f"Unable to look up mail exchanger information: {dns_words(failure)}"
        return e.postpone_reject(450, "4.4.4", f"{subjects.recipient(e.facts)} rejected: {text}")


async def _is_backup(e: Evaluation, exchangers: tuple[MX, ...]) -> bool:
    """Are we among the exchangers, but not among the best; and are the best where permit_mx_backup_networks wants them?"""
    best = min(exchanger.preference for exchanger in exchangers)
    primary = await _addresses(e, (each.host for each in exchangers if each.preference == best))
    others = await _addresses(e, (each.host for each in exchangers if each.preference > best))
    if not await _any(e.sources.addresses, others) or await _any(e.sources.addresses, primary):
        return False
    networks = e.settings.permit_mx_backup_networks
    if not networks:
        return True
    allowed = MatchList.addresses(networks, e.sources.tables, "permit_mx_backup_networks", e.warn)
    return bool(primary) and all([await allowed.matches(address) for address in primary])


async def _addresses(e: Evaluation, hosts: Iterable[str]) -> list[str]:
    """The addresses of those of `hosts` that have any."""
    found: list[str] = []
    for host in hosts:
        try:
            found += (await e.sources.resolver.host(host))[:HOSTS_LIMIT] if host else ()
        except DnsFailure:
            continue
    return found


async def _any(listed: MatchList, addresses: list[str]) -> bool:
    for address in addresses:
        if await listed.matches(address):
            return True
    return False


ROWS: Rows = {"permit_mx_backup": Row(permit_mx_backup, needs="recipient")}
