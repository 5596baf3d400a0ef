"""Who may relay where: the restrictions that keep this from being an open relay (SMTPD_ACCESS_README, postconf(5))."""

from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation
from gatepost.policy.restrictions.rows import Row, Rows
from gatepost.routing.port import AddressClass

OURS = frozenset({AddressClass.LOCAL, AddressClass.VIRTUAL_ALIAS, AddressClass.VIRTUAL_MAILBOX})
_ACCEPTED = OURS | {AddressClass.RELAY}


_LISTS = {
    AddressClass.LOCAL: "mydestination",
    AddressClass.VIRTUAL_ALIAS: "virtual_alias_domains",
    AddressClass.VIRTUAL_MAILBOX: "virtual_mailbox_domains",
    AddressClass.RELAY: "relay_domains",
    AddressClass.DEFAULT: "mydestination virtual_alias_domains virtual_mailbox_domains relay_domains",
}
"""The list that has a domain; all of them where none has it."""


async def authorized(e: Evaluation, recipient: str) -> bool:
    """True of a destination that is ours or that we relay for, unless the sender chose the route."""
    route = await e.route(recipient)
    e.looked_up(_LISTS.get(route.cls, ""), route.recipient)
    if "@" not in route.recipient:
        return True
    if route.routed and not e.settings.allow_untrusted_routing:
        return False
    return route.cls in _ACCEPTED


async def permit_auth_destination(e: Evaluation, _: None) -> Decision:
    return PERMIT if await authorized(e, e.facts.recipient or "") else DUNNO


async def reject_unauth_destination(e: Evaluation, _: None) -> Decision:
    return await _unauthorized(e, e.settings.relay_domains_reject_code, "5.7.1")


async def defer_unauth_destination(e: Evaluation, _: None) -> Decision:
    """The code is relay_domains_reject_code with a 4 in front."""
    return await _unauthorized(e, e.settings.relay_domains_reject_code - 100, "4.7.1")


async def _unauthorized(e: Evaluation, code: int, enhanced: str) -> Decision:
    recipient = e.facts.recipient or ""
    if await authorized(e, recipient):
        return DUNNO
    return e.refuse(code, enhanced, f"<{recipient}>: Relay access denied")


ROWS: Rows = {
    "permit_auth_destination": Row(permit_auth_destination, needs="recipient"),
    "reject_unauth_destination": Row(reject_unauth_destination, needs="recipient"),
    "defer_unauth_destination": Row(defer_unauth_destination, needs="recipient"),
}
