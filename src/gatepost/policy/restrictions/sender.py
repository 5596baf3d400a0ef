"""Restrictions on the sender address (postconf(5), smtpd_sender_restrictions)."""

from gatepost.policy import subjects
from gatepost.policy.evaluation import DUNNO, Decision, Evaluation
from gatepost.policy.restrictions.domain import reject_non_fqdn, reject_unknown
from gatepost.policy.restrictions.recipient import refuse_unlisted
from gatepost.policy.restrictions.rows import Row, Rows


async def reject_non_fqdn_sender(e: Evaluation, _: None) -> Decision:
    sender = e.facts.sender
    return reject_non_fqdn(e, sender, subjects.sender(e.facts)) if sender else DUNNO


async def reject_unknown_sender_domain(e: Evaluation, _: None) -> Decision:
    """RFC 7372 and RFC 7505 §4.2 name the enhanced codes."""
    if not e.facts.sender:
        return DUNNO
    return await reject_unknown(e, subjects.sender(e.facts), unknown="4.1.8", null_mx="5.7.27")


async def reject_unlisted_sender(e: Evaluation, _: None) -> Decision:
    return await refuse_unlisted(e, e.facts.sender, sender=True) if e.facts.sender else DUNNO


ROWS: Rows = {
    "reject_non_fqdn_sender": Row(reject_non_fqdn_sender, needs="sender"),
    "reject_unknown_sender_domain": Row(reject_unknown_sender_domain, needs="sender"),
    "reject_unlisted_sender": Row(reject_unlisted_sender, needs="sender"),
}
