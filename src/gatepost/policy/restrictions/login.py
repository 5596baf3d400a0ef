"""Whose sender address is it: smtpd_sender_login_maps against the SASL login (SASL_README, postconf(5))."""

from gatepost.lookup.address import Keys, find_address
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import elements
from gatepost.policy import subjects
from gatepost.policy.evaluation import DUNNO, Check, Decision, Evaluation, TemporaryLookupFailure
from gatepost.policy.restrictions.rows import Row, Rows


async def reject_sender_login_mismatch(e: Evaluation, _: None) -> Decision:
    """Logged in: the sender must be that login's own. Not logged in: it must be nobody's."""
    if e.facts.sasl_username:
        return await reject_authenticated_sender_login_mismatch(e, None)
    return await reject_unauthenticated_sender_login_mismatch(e, None)


async def reject_authenticated_sender_login_mismatch(e: Evaluation, _: None) -> Decision:
    if not (e.facts.sender and e.facts.sasl_username):
        return DUNNO
    owners = await _owners(e)
    return DUNNO if owners is not None and e.facts.sasl_username in owners else _not_owner(e)


async def reject_known_sender_login_mismatch(e: Evaluation, _: None) -> Decision:
    """Only sender addresses that have an owner are protected."""
    if not e.facts.sender:
        return DUNNO
    owners = await _owners(e)
    if owners is None or (e.facts.sasl_username and e.facts.sasl_username in owners):
        return DUNNO
    return _not_owner(e) if e.facts.sasl_username else _not_logged_in(e)


async def reject_unauthenticated_sender_login_mismatch(e: Evaluation, _: None) -> Decision:
    if not e.facts.sender or e.facts.sasl_username or await _owners(e) is None:
        return DUNNO
    return _not_logged_in(e)


async def _owners(e: Evaluation) -> list[str] | None:
    """The logins that own the sender address, None where it has no owner."""
    sender = e.facts.sender or ""
    address = (await e.route(sender)).recipient
    e.looked_up(e.settings.smtpd_sender_login_maps, address)
    maps = e.sources.tables.maps(e.settings.smtpd_sender_login_maps, "smtpd_sender_login_maps")
    try:
        found = await find_address(maps, address, Keys.REWRITE, delimiters=e.settings.recipient_delimiter)
    except LookupFailure as failure:
        raise TemporaryLookupFailure(sender) from failure
    if found is None:
        return None
    e.looked_up(e.settings.smtpd_sender_login_maps, found.key, found.value)
    return elements(found.value)


def _not_owner(e: Evaluation) -> Decision:
    return e.reject(553, "5.7.1", subjects.sender(e.facts), f"not owned by user {e.facts.sasl_username}")


def _not_logged_in(e: Evaluation) -> Decision:
    return e.reject(553, "5.7.1", subjects.sender(e.facts), "not logged in")


def _with_sasl(name: str, check: Check) -> Row:
    """Without smtpd_sasl_auth_enable nobody can log in, and the restriction says nothing."""

    async def guarded(e: Evaluation, argument: None) -> Decision:
        if e.settings.smtpd_sasl_auth_enable:
            return await check(e, argument)
        e.warn(f"restriction `{name}' ignored: no SASL support")
        return DUNNO

    return Row(guarded, needs="sender")


ROWS: Rows = {
    check.__name__: _with_sasl(check.__name__, check)
    for check in (
        reject_sender_login_mismatch,
        reject_authenticated_sender_login_mismatch,
        reject_known_sender_login_mismatch,
        reject_unauthenticated_sender_login_mismatch,
    )
}
