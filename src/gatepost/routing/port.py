"""What routing tells: where an address goes, and to which class it belongs (ADDRESS_CLASS_README)."""

import enum

from msgspec import Struct

from gatepost.mail.outcome import Outcome
from gatepost.mail.reason import UNSAID, Reason


class AddressClass(enum.StrEnum):
    """Postfix's address classes: which domains parameter claimed the address, and so who lists its recipients."""

    LOCAL = "local"
    VIRTUAL_ALIAS = "virtual alias"
    VIRTUAL_MAILBOX = "virtual mailbox"
    RELAY = "relay"
    DEFAULT = "default"


class Route(Struct, frozen=True):
    """Where a recipient goes.

    - `transport`: a master.cf service; `error` or `retry` where the address cannot be resolved.
    - `nexthop`: its destination, empty for transports that need none.
    - `recipient`: the address after resolution.
    - `failure`: why the address cannot be resolved, None where it can.
    - `routed`: the local part holds routing (`@`, `%`, `!`) that the next hop might obey (reject_unauth_destination,
      allow_untrusted_routing).
    - `why`: the table and key that send it to `error` or `retry`.
    """

    transport: str
    nexthop: str
    recipient: str
    cls: AddressClass
    failure: Outcome | None = None
    routed: bool = False
    why: Reason = UNSAID
