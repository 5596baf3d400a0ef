"""What routing tells: where an address goes, and to which class it belongs (ADDRESS_CLASS_README)."""

import enum

from msgspec import Struct


class AddressClass(enum.StrEnum):
    """Postfix's address classes: which domains parameter claimed the address, and so who lists its recipients."""

    LOCAL = "local"
    VIRTUAL_ALIAS = "virtual alias"
    VIRTUAL_MAILBOX = "virtual mailbox"
    RELAY = "relay"
    DEFAULT = "default"


class Route(Struct, frozen=True):
    """Where a recipient goes: `transport` names a master.cf service, `nexthop` is its destination (may be empty for
    transports that need none), `recipient` is the address after resolution. Where `error` is set the address cannot
    be resolved: it starts with an enhanced status code, and `transport` is `error` or `retry`. `routed`: the local part
    holds routing (`@`, `%`, `!`) that the next hop might obey (reject_unauth_destination, allow_untrusted_routing)."""

    transport: str
    nexthop: str
    recipient: str
    cls: AddressClass
    error: str = ""
    routed: bool = False
