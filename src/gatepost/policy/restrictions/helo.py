"""Restrictions on the HELO name (postconf(5), smtpd_helo_restrictions)."""

from gatepost.net.port import DnsFailure, Filtered, NotFound, TryAgain
from gatepost.policy import subjects
from gatepost.policy.evaluation import DUNNO, Decision, Evaluation
from gatepost.policy.restrictions.names import is_address, is_hostname, is_qualified, literal_address, without_final_dot
from gatepost.policy.restrictions.rows import Row, Rows


async def reject_invalid_helo_hostname(e: Evaluation, _: None) -> Decision:
    name = _name(e)
    if name.startswith("["):
        return _literal(e, name)
    bare = without_final_dot(name)
    if (bare.isascii() and is_hostname(bare)) or is_address(bare):
        return DUNNO
    return e.reject(e.settings.invalid_hostname_reject_code, "5.5.2", subjects.helo(e.facts), "Invalid name")


async def reject_non_fqdn_helo_hostname(e: Evaluation, _: None) -> Decision:
    name = _name(e)
    if name.startswith("["):
        return _literal(e, name)
    if name.isascii() and is_qualified(name):
        return DUNNO
    return e.reject(e.settings.non_fqdn_reject_code, "5.5.2", subjects.helo(e.facts), "need fully-qualified hostname")


async def reject_unknown_helo_hostname(e: Evaluation, _: None) -> Decision:
    """A name without an address and without mail exchangers."""
    name = _name(e)
    if name.startswith("["):
        return _literal(e, name)
    subject = subjects.helo(e.facts)
    e.looked_up("DNS", name)
    try:
        known = await has_records(e, name)
    except Filtered as failure:
        e.warn(f"{name}: address or MX lookup error: {failure.text}")
        return DUNNO
    except TryAgain:
        return e.temporary(e.settings.unknown_helo_hostname_tempfail_action, "4.7.1", subject, "Host not found")
    if known:
        return DUNNO
    return e.reject(e.settings.unknown_hostname_reject_code, "4.7.1", subject, "Host not found")


def _name(e: Evaluation) -> str:
    name = e.facts.helo_name or ""
    e.looked_up("", name)
    return name


def _literal(e: Evaluation, name: str) -> Decision:
    if literal_address(name):
        return DUNNO
    return e.reject(e.settings.invalid_hostname_reject_code, "5.5.2", subjects.helo(e.facts), "invalid ip address")


async def has_records(e: Evaluation, name: str) -> bool:
    """Does `name` have an address or a mail exchanger? Raises TryAgain where that is not known and none was found, Filtered where
    one was and does not count. What is no host name, as one with a final dot, is not asked for."""
    if not is_hostname(name):
        return False
    resolver = e.sources.resolver
    failure: DnsFailure | None = None
    for ask in (resolver.a, resolver.aaaa, resolver.mx):
        try:
            await ask(name)
        except NotFound:
            continue
        except DnsFailure as now:
            failure = failure if isinstance(failure, Filtered) else now
        else:
            return True
    if failure is not None:
        raise failure
    return False


ROWS: Rows = {
    "reject_invalid_helo_hostname": Row(reject_invalid_helo_hostname, needs="helo_name"),
    "reject_invalid_hostname": Row(reject_invalid_helo_hostname, needs="helo_name"),
    "reject_non_fqdn_helo_hostname": Row(reject_non_fqdn_helo_hostname, needs="helo_name"),
    "reject_non_fqdn_hostname": Row(reject_non_fqdn_helo_hostname, needs="helo_name"),
    "reject_unknown_helo_hostname": Row(reject_unknown_helo_hostname, needs="helo_name"),
    "reject_unknown_hostname": Row(reject_unknown_helo_hostname, needs="helo_name"),
}
