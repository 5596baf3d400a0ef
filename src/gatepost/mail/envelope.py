"""The envelope of a message: who it is from, who it goes to, and what was agreed about it (RFC 5321, 3461, 6531)."""

import enum
from typing import Final

from msgspec import Struct

from gatepost.mail.ascii_text import is_number


class Notify:
    """When a recipient's sender wants to hear (RFC 3461 §4.1): bits, those that Postfix's queue files hold. Plain numbers, since
    every message asks for them and the operators of enum.Flag are written in Python."""

    DEFAULT: Final = 0
    NEVER: Final = 1
    SUCCESS: Final = 2
    FAILURE: Final = 4
    DELAY: Final = 8


class Trace:
    """What sendmail(1) asks to be told of a message's delivery: bits of the attribute `trace_flags`, as in Postfix."""

    VERIFY: Final = 1 << 9  # deliver nothing, tell what would come of it (-bv)
    DELIVERY: Final = 1 << 10  # tell what came of each attempt (-v)


class TlsRequired(enum.StrEnum):
    """What the sender says of TLS on the way (RFC 8689). BY_POLICY: nothing, so that each next hop is as secure as our policies,
    and its own, want it. NO: better in the clear than not at all (TLS-Required: no). YES: to servers alone that show who they are,
    and pass this on (REQUIRETLS)."""

    BY_POLICY = ""
    NO = "no"
    YES = "yes"


class Recipient(Struct, frozen=True, array_like=True):
    """One recipient.

    `address`: where the message goes now (internal form). `original`: as the client gave it, before aliases
    (X-Original-To). `orcpt`: the DSN original recipient, `type;address` decoded (RFC 3461 §4.2), may be empty.
    """

    address: str
    original: str = ""
    orcpt: str = ""
    notify: int = 0


class Envelope(Struct, frozen=True):
    """Everything about a message but its content.

    `attributes` are the named attributes that Postfix's queue file carries (`log_client_name`, `client_address`,
    `rewrite_context`, `sasl_username` ...), in order, as `postcat` shows them. `encoding`: body type as declared,
    `7bit`, `8bit` (8BITMIME), `binary` (BINARYMIME) or empty. `ret`: `FULL`, `HDRS` or empty (RFC 3461 §4.3).
    `content_filter`: `transport:nexthop` or empty. `verp`: VERP delimiters or empty. `hold`: start in the hold queue.
    `tls_required`: what the sender says of TLS.
    """

    sender: str
    recipients: tuple[Recipient, ...] = ()
    encoding: str = ""
    ret: str = ""
    envid: str = ""
    smtputf8: bool = False
    content_filter: str = ""
    redirect: str = ""
    verp: str = ""
    sender_fullname: str = ""
    hold: bool = False
    attributes: tuple[tuple[str, str], ...] = ()
    tls_required: TlsRequired = TlsRequired.BY_POLICY

    def attribute(self, name: str) -> str:
        """Value of the named attribute, empty where there is none; the last one wins, as in a queue file."""
        for key, value in reversed(self.attributes):
            if key == name:
                return value
        return ""

    @property
    def trace(self) -> int:
        """Bits of Trace."""
        flags = self.attribute("trace_flags")
        return int(flags) if is_number(flags) else 0
