"""Is an address of ours listed? (reject_unlisted_recipient, local_recipient_maps and its kin; ADDRESS_CLASS_README)."""

import re

from gatepost.lookup.registry import Tables
from gatepost.mail.address_status import fitting
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import Reason, because
from gatepost.routing.aliases import Find
from gatepost.routing.port import AddressClass, Route
from gatepost.routing.routing import Routing
from gatepost.routing.settings import RoutingSettings

# The mail system's own addresses, which always exist at local domains.
_RESERVED = frozenset(("double-bounce", "postmaster", "mailer-daemon"))

# (parameter with the list, name of the list in refusals, parameter with the code)
_LISTS = {
    AddressClass.LOCAL: ("local_recipient_maps", "local recipient table", "unknown_local_recipient_reject_code"),
    AddressClass.VIRTUAL_MAILBOX: ("virtual_mailbox_maps", "virtual mailbox table", "unknown_virtual_mailbox_reject_code"),
    AddressClass.RELAY: ("relay_recipient_maps", "relay recipient table", "unknown_relay_recipient_reject_code"),
}

_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\s+(.*)", re.DOTALL | re.ASCII)

# By whether it is a sender: what a refusal is about, and its status where nothing says more.
_ABOUT = {False: ("Recipient address", "5.1.1"), True: ("Sender address", "5.1.0")}


class Recipients:
    """The lists of recipients of all classes. `settings`, `tables`: of the service that asks, which may have lists of its own, or
    none. `double_bounce_sender`: its local part always exists."""

    def __init__(self, routing: Routing, settings: RoutingSettings, double_bounce_sender: str, tables: Tables) -> None:
        self._tables = tables
        self._settings = settings
        self._reserved = _RESERVED | {double_bounce_sender.lower()}
        self._aliases = self._finders(routing, "recipient_canonical_maps", "canonical_maps", "virtual_alias_maps")
        self._sender_aliases = self._finders(routing, "sender_canonical_maps")
        self._lists = {cls: self._finders(routing, parameter) for cls, (parameter, _, _) in _LISTS.items()}

    def _finders(self, routing: Routing, *parameters: str) -> list[Find]:
        found = (routing.finder(getattr(self._settings, parameter), parameter, self._tables) for parameter in parameters)
        return [find for find in found if find is not None]

    async def unlisted(self, address: str, route: Route, *, sender: bool = False) -> Outcome | None:
        """Why `address`, which has this route, is refused; None where it is listed, or its class keeps no list. An address that a
        canonical or virtual alias table replaces counts as listed. Raises LookupFailure."""
        tables = [*self._sender_aliases, *self._aliases] if sender else self._aliases
        if await self._found(tables, route.recipient):
            return None
        if route.transport in _UNDELIVERABLE:
            return self._undeliverable(address, route, sender=sender)
        if route.cls not in _LISTS or not (lists := self._lists[route.cls]):
            return None
        if route.cls is AddressClass.LOCAL and route.recipient.rpartition("@")[0].lower() in self._reserved:
            return None
        if await self._found(lists, route.recipient):
            return None
        _, table, code = _LISTS[route.cls]
        where = f" in {table}" if self._settings.show_user_unknown_table_name else ""
        parameter = _LISTS[route.cls][0]
        why = because(parameter, getattr(self._settings, parameter), route.recipient, "not listed")
        return _refusal(address, getattr(self._settings, code), "", f"User unknown{where}", why, sender=sender)

    async def _found(self, tables: list[Find], address: str) -> bool:
        for find in tables:
            if await find(address) is not None:
                return True
        return False

    def _undeliverable(self, address: str, route: Route, *, sender: bool) -> Outcome:
        """An address that goes to the error or retry transport: its next hop says why."""
        code = _UNDELIVERABLE[route.transport]
        if route.cls is AddressClass.VIRTUAL_ALIAS:
            code = self._settings.unknown_virtual_alias_reject_code
        match = _STATUS.match(route.nexthop)
        enhanced, text = match.groups() if match else ("", route.nexthop)
        why = route.why or because("virtual_alias_maps", self._settings.virtual_alias_maps, route.recipient, "not listed")
        return _refusal(address, code, enhanced, text, why, sender=sender)


_UNDELIVERABLE = {"error": 550, "retry": 450}


def _refusal(address: str, code: int, enhanced: str, text: str, why: Reason, *, sender: bool) -> Outcome:
    """`enhanced`: the status that a table gave, if one did."""
    about, usual = _ABOUT[sender]
    status = f"{code // 100}{fitting(enhanced or usual, about)[1:]}"
    return Outcome(Class(code // 100), status, f"<{address}>: {about} rejected: {text}", code, why, origin="routing")
