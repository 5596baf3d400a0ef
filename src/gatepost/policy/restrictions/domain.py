"""What the checks of sender and recipient addresses have in common: a qualified domain, and one that takes mail."""

from gatepost.net.port import DnsFailure, Filtered, NotFound, TryAgain
from gatepost.policy.evaluation import DUNNO, Decision, Evaluation, Subject
from gatepost.policy.restrictions.names import is_qualified
from gatepost.policy.restrictions.relay import OURS


def reject_non_fqdn(e: Evaluation, address: str, subject: Subject) -> Decision:
    e.looked_up("", address)
    domain = address.rpartition("@")[2] if "@" in address else ""
    if domain.startswith("[") or is_qualified(domain):
        return DUNNO
    return e.reject(e.settings.non_fqdn_reject_code, "5.5.2", subject, "need fully-qualified address")


async def reject_unknown(e: Evaluation, subject: Subject, *, unknown: str, null_mx: str) -> Decision:
    """A domain that is not ours and has neither mail exchanger nor address, or says by a null MX that it takes no mail
    (RFC 7505 §4). `unknown`, `null_mx`: the enhanced codes."""
    route = await e.route(subject.name)
    domain = route.recipient.rpartition("@")[2]
    if "@" not in route.recipient or route.cls in OURS or domain.startswith("["):
        return DUNNO
    e.looked_up("DNS", domain)
    try:
        found = await _mail_hosts(e, domain)
    except Filtered as failure:
        e.warn(f"{domain}: MX or address lookup error: {failure.text}")
        return DUNNO
    except TryAgain:
        return e.temporary(e.settings.unknown_address_tempfail_action, unknown, subject, "Domain not found")
    if found and not any(found):
        text = f"Domain {domain} does not accept mail (nullMX)"
        return e.reject(e.settings.nullmx_reject_code, null_mx, subject, text)
    return DUNNO if found else e.reject(e.settings.unknown_address_reject_code, unknown, subject, "Domain not found")


async def _mail_hosts(e: Evaluation, domain: str) -> list[str]:
    """Names of the mail exchangers, or the domain itself where it has an address only; empty where there is nothing.
    Raises TryAgain, or Filtered where there is something that does not count."""
    resolver = e.sources.resolver
    try:
        return [exchanger.host for exchanger in await resolver.mx(domain)]
    except NotFound:
        pass
    failure: DnsFailure | None = None
    for ask in (resolver.a, resolver.aaaa):
        try:
            await ask(domain)
        except NotFound:
            continue
        except DnsFailure as now:
            failure = failure if isinstance(failure, Filtered) else now
        else:
            return [domain]
    if failure is not None:
        raise failure
    return []
