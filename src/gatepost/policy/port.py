"""The language between a session and its policy: facts in, verdicts out (a check reports, the engine decides)."""

import enum
from typing import Any, Final, Protocol

from msgspec import Struct

from gatepost.mail.evidence import Evidence
from gatepost.mail.outcome import Outcome
from gatepost.mail.reason import UNSAID, Reason, Step


class Stage(enum.StrEnum):
    """Protocol stages; the value names the restriction parameter, `smtpd_<value>_restrictions`."""

    CLIENT = "client"
    HELO = "helo"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    END_OF_DATA = "end_of_data"
    ETRN = "etrn"


class Facts:
    """What is known about a session so far. The session owns and changes it; policy only reads.

    Names are those of Postfix's policy delegation protocol (SMTPD_POLICY_README). `client_name` is `unknown` where the
    verified name is not known, `reverse_client_name` the unverified one; `*_code` is the first digit of why
    (2 verified, 4 look-up failed for now, 5 no such). Addresses in internal form.
    """

    __slots__ = (
        "body_type", "ccert_fingerprint", "ccert_issuer", "ccert_pubkey_fingerprint", "ccert_subject", "ccert_trusted",
        "client_address", "client_name", "client_name_code", "client_port", "data_pipelined", "deferred", "esmtp", "etrn_domain",
        "evidence", "helo_name", "instance", "message_size", "protocol_name", "protocol_state", "queue_id", "recipient",
        "recipient_count", "reverse_client_name", "reverse_client_name_code", "sasl_method", "sasl_sender", "sasl_username",
        "sender", "server_address", "server_port", "shows_port", "smtputf8", "stress", "tls_cipher", "tls_details", "tls_keysize",
        "tls_protocol", "unauth_pipelining",
    )  # fmt: skip

    def __init__(self) -> None:
        self.client_name = "unknown"
        self.client_name_code = 2
        self.reverse_client_name = "unknown"
        self.reverse_client_name_code = 2
        self.client_address = ""
        self.client_port = ""
        self.server_address = ""
        self.server_port = ""
        self.helo_name: str | None = None
        self.protocol_name = "SMTP"
        self.protocol_state = "CONNECT"
        self.esmtp = False
        self.sender: str | None = None
        self.recipient: str | None = None
        self.recipient_count = 0
        self.message_size = 0
        self.body_type = ""
        self.smtputf8 = False
        self.queue_id = ""
        self.instance = ""
        self.etrn_domain = ""
        self.sasl_method = ""
        self.sasl_username = ""
        self.sasl_sender = ""
        self.tls_protocol = ""
        self.tls_cipher = ""
        self.tls_keysize = 0
        self.tls_details: tuple[str, ...] = ()
        self.ccert_subject = ""
        self.ccert_issuer = ""
        self.ccert_fingerprint = ""
        self.ccert_pubkey_fingerprint = ""
        self.ccert_trusted = False
        self.stress = False
        self.data_pipelined = False
        self.deferred: dict[Stage, Any] = {}
        """Policy's own notes: what a stage postponed (defer_if_permit) for a later one, with smtpd_delay_reject = no."""
        self.evidence = Evidence()
        """What restrictions and gates have found out so far, for those after them."""
        self.shows_port = False
        """Whether the client's port is told with its address (smtpd_client_port_logging)."""
        self.unauth_pipelining = False
        """True when the client has sent a command before it could know the reply (reject_unauth_pipelining)."""

    @property
    def client(self) -> str:
        """`name[address]`, as in logs, or `name[address]:port`."""
        told = f"{self.client_name}[{self.client_address}]"
        return f"{told}:{self.client_port}" if self.shows_port else told


class Action(Struct, frozen=True):
    """Something a check asks for besides permit or reject.

    - `kind`: `hold`, `discard`, `filter`, `redirect`, `bcc`, `prepend`, `warn`, `info`, `delay`.
    - `value`: its argument.
    - `where`: protocol stage word for the log (`RCPT`).
    - `what`: the thing that matched (`<addr>: Recipient address`), for the log line.
    - `why`: the rule that asks, its table and key.
    """

    kind: str
    value: str = ""
    where: str = ""
    what: str = ""
    why: Reason = UNSAID


AS_TOLD: Final = frozenset({"warn", "info", "permit", "reject_warning", "milter-reject"})
"""Actions of which the log is told, and which change nothing."""


class Verdict(Struct, frozen=True):
    """What policy says of a stage.

    - `outcome`: None: go on. Its `why` has the trace as well.
    - `trace`: every restriction that was asked, and what each said.
    - `disconnect`: end the session after the reply (421, 521).
    """

    outcome: Outcome | None = None
    actions: tuple[Action, ...] = ()
    trace: tuple[Step, ...] = ()
    disconnect: bool = False


PERMIT = Verdict()


class Policy(Protocol):
    """The restrictions of one service, compiled."""

    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        """The verdict for this stage. With `smtpd_delay_reject`, earlier stages are judged when the recipient is."""
        ...
