"""Restrictions that look at nothing: permit, reject, defer and their like (postconf(5), smtpd_recipient_restrictions, Generic)."""

from gatepost.mail.ascii_text import is_number
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation
from gatepost.policy.restrictions.rows import Argument, Row, Rows
from gatepost.policy.sources import Materials


async def permit(e: Evaluation, _: None) -> Decision:
    return PERMIT


async def reject(e: Evaluation, _: None) -> Decision:
    return e.reject(e.settings.reject_code, "5.7.1", e.subject, "Access denied")


async def defer(e: Evaluation, _: None) -> Decision:
    return e.reject(e.settings.defer_code, "4.3.2", e.subject, "Try again later")


async def defer_if_permit(e: Evaluation, _: None) -> Decision:
    return e.postpone_permit(450, "4.7.0", f"{e.subject} rejected: defer_if_permit requested")


async def defer_if_reject(e: Evaluation, _: None) -> Decision:
    return e.postpone_reject(450, "4.7.0", f"{e.subject} rejected: defer_if_reject requested")


async def sleep(e: Evaluation, seconds: int) -> Decision:
    await e.sources.sleep(seconds)
    return DUNNO


async def nothing(e: Evaluation, _: None) -> Decision:
    """What is left of a restriction that cannot be carried out and does no harm when left out."""
    return DUNNO


async def misconfigured(e: Evaluation, _: None) -> Decision:
    """What is left of a restriction that must not be left out."""
    return e.server_error()


def _whole_number(_: Materials, text: str) -> int:
    if not is_number(text):
        raise ValueError(text)
    return int(text)


ROWS: Rows = {
    "permit": Row(permit),
    "reject": Row(reject),
    "defer": Row(defer),
    "defer_if_permit": Row(defer_if_permit),
    "defer_if_reject": Row(defer_if_reject),
    "sleep": Row(sleep, Argument(_whole_number, "restriction {name} must be followed by number")),
}
