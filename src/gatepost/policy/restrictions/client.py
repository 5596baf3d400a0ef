"""Restrictions on who the client is (postconf(5), smtpd_client_restrictions)."""

from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import LookupFailure
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation, TemporaryLookupFailure
from gatepost.policy.restrictions.rows import Row, Rows

_PERMANENT = 5


async def permit_mynetworks(e: Evaluation, _: None) -> Decision:
    return await _listed(e, "mynetworks", e.sources.networks, e.facts.client_name, e.facts.client_address)


async def permit_inet_interfaces(e: Evaluation, _: None) -> Decision:
    return await _listed(e, "inet_interfaces", e.sources.addresses, e.facts.client_address)


async def _listed(e: Evaluation, title: str, listed: MatchList, *client: str) -> Decision:
    try:
        e.looked_up(title, client[-1])
        found = await listed.matches(*client)
    except LookupFailure as failure:
        # An unreadable mynetworks must neither open the relay nor refuse our own clients for good.
        raise TemporaryLookupFailure(e.subject.name) from failure
    return PERMIT if found else DUNNO


async def permit_sasl_authenticated(e: Evaluation, _: None) -> Decision:
    if not e.settings.smtpd_sasl_auth_enable:
        return DUNNO
    e.looked_up("", e.facts.sasl_username)
    return PERMIT if e.facts.sasl_username else DUNNO


async def reject_unknown_client_hostname(e: Evaluation, _: None) -> Decision:
    """RFC 7372 §3.3 names the enhanced code."""
    facts = e.facts
    e.looked_up("DNS", facts.client_address)
    if facts.client_name != "unknown":
        return DUNNO
    code = _hostname_code(e, facts.client_name_code)
    return e.refuse(code, "4.7.25", f"Client host rejected: cannot find your hostname, [{facts.client_address}]")


async def reject_unknown_reverse_client_hostname(e: Evaluation, _: None) -> Decision:
    facts = e.facts
    e.looked_up("DNS", facts.client_address)
    if facts.reverse_client_name != "unknown":
        return DUNNO
    code = _hostname_code(e, facts.reverse_client_name_code)
    return e.refuse(code, "4.7.1", f"Client host rejected: cannot find your reverse hostname, [{facts.client_address}]")


def _hostname_code(e: Evaluation, why: int) -> int:
    """Only a name known not to exist is held against the client for good."""
    return e.settings.unknown_client_reject_code if why >= _PERMANENT else 450


ROWS: Rows = {
    "permit_mynetworks": Row(permit_mynetworks),
    "permit_inet_interfaces": Row(permit_inet_interfaces),
    "permit_sasl_authenticated": Row(permit_sasl_authenticated),
    "reject_unknown_client_hostname": Row(reject_unknown_client_hostname),
    "reject_unknown_client": Row(reject_unknown_client_hostname),
    "reject_unknown_reverse_client_hostname": Row(reject_unknown_reverse_client_hostname),
}
