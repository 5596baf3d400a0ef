"""Restrictions on the recipient address (postconf(5), smtpd_recipient_restrictions)."""

from gatepost.lookup.port import LookupFailure
from gatepost.policy import subjects
from gatepost.policy.evaluation import DUNNO, Decision, Evaluation, TemporaryLookupFailure
from gatepost.policy.restrictions.domain import reject_non_fqdn, reject_unknown
from gatepost.policy.restrictions.rows import Row, Rows


async def reject_non_fqdn_recipient(e: Evaluation, _: None) -> Decision:
    return reject_non_fqdn(e, e.facts.recipient or "", subjects.recipient(e.facts))


async def reject_unknown_recipient_domain(e: Evaluation, _: None) -> Decision:
    return await reject_unknown(e, subjects.recipient(e.facts), unknown="4.1.2", null_mx="5.1.10")


async def reject_unlisted_recipient(e: Evaluation, _: None) -> Decision:
    return await refuse_unlisted(e, e.facts.recipient, sender=False) if e.facts.recipient else DUNNO


async def refuse_unlisted(e: Evaluation, address: str, *, sender: bool) -> Decision:
    """Refuse an address of ours that no table lists; asked once for an address, unless only a warning came of it."""
    if (key := f"{sender} {address}") in e.listed:
        return DUNNO
    if not e.warn_only:
        e.listed.add(key)
    route = await e.route(address)
    e.looked_up("", address)
    try:
        refusal = await e.sources.recipients.unlisted(address, route, sender=sender)
    except LookupFailure as failure:
        raise TemporaryLookupFailure(address) from failure
    if refusal is None:
        return DUNNO
    e.looked_up(refusal.why.table, refusal.why.key, refusal.why.reason)
    return e.refuse(refusal.code, refusal.enhanced, refusal.text, "bounce")


async def reject_multi_recipient_bounce(e: Evaluation, _: None) -> Decision:
    """A bounce goes to one recipient. At RCPT TO the present recipient is not counted yet."""
    facts = e.facts
    count = facts.recipient_count + (facts.protocol_state == "RCPT")
    e.looked_up("", str(count))
    if facts.sender != "" or count <= 1:
        return DUNNO
    return e.reject(e.settings.multi_recipient_bounce_reject_code, "5.5.3", e.subject, "Multi-recipient bounce")


ROWS: Rows = {
    "reject_non_fqdn_recipient": Row(reject_non_fqdn_recipient, needs="recipient"),
    "reject_unknown_recipient_domain": Row(reject_unknown_recipient_domain, needs="recipient"),
    "reject_unlisted_recipient": Row(reject_unlisted_recipient, needs="recipient"),
    "check_recipient_maps": Row(reject_unlisted_recipient, needs="recipient"),
    "reject_multi_recipient_bounce": Row(reject_multi_recipient_bounce),
}
