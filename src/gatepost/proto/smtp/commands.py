"""The verb table (RFC 5321 §4.1, RFC 2033, and Postfix's own verbs): one row a verb, dispatch goes through it."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Verb(Struct, frozen=True):
    """A verb and its rules.

    - `handler`: name of the function that answers it.
    - `before_tls`: legal while `smtpd_tls_security_level = encrypt` waits for STARTTLS.
    - `junk`: counts towards `smtpd_junk_command_limit`.
    - `last`: must be the last of a pipelined group (RFC 2920 §3.1).
    - `open_door`: answered even when the client has been refused at connect time (RFC 5321 §3.1).
    - `shown_words`: how many words of its line others may read; what follows them is a secret. None: all.
    """

    name: str
    handler: str
    before_tls: bool = False
    junk: bool = False
    last: bool = False
    open_door: bool = False
    shown_words: int | None = None


_HELLO: Final = {"before_tls": True, "junk": True, "last": True}

_COMMON: Final = (
    Verb("XCLIENT", "xclient", before_tls=True),
    Verb("XFORWARD", "xforward", before_tls=True),
    Verb("STARTTLS", "starttls", before_tls=True),
    Verb("AUTH", "auth", shown_words=2),
    Verb("MAIL", "mail"),
    Verb("RCPT", "rcpt"),
    Verb("DATA", "data", last=True),
    Verb("BDAT", "bdat"),
    Verb("RSET", "rset", junk=True),
    Verb("NOOP", "noop", before_tls=True, junk=True, last=True),
    Verb("VRFY", "vrfy", junk=True, last=True),
    Verb("ETRN", "etrn", junk=True),
    Verb("QUIT", "quit", before_tls=True, open_door=True),
)


def _table(*verbs: Verb) -> dict[str, Verb]:
    return {verb.name: verb for verb in verbs}


class ServerDialect(Struct, frozen=True):
    """What tells an LMTP server from an SMTP server.

    - `verbs`: by name, in the order in which Postfix counts them when a session ends.
    - `extended`: name of the protocol once the client has said EHLO or LHLO.
    - `no_valid_recipients`: code of the reply to DATA where no RCPT was successful (RFC 2033 §4.2).
    - `answers_each_recipient`: the end of a message has a reply for each successful RCPT (RFC 2033 §4.2).
    """

    verbs: Mapping[str, Verb]
    extended: str
    no_valid_recipients: int
    answers_each_recipient: bool


SMTP: Final = ServerDialect(
    _table(Verb("HELO", "helo", **_HELLO), Verb("EHLO", "ehlo", **_HELLO), *_COMMON),
    extended="ESMTP",
    no_valid_recipients=554,
    answers_each_recipient=False,
)
"""RFC 5321."""

LMTP: Final = ServerDialect(
    _table(Verb("LHLO", "ehlo", **_HELLO), *(verb for verb in _COMMON if verb.name not in ("VRFY", "ETRN"))),
    extended="LMTP",
    no_valid_recipients=503,
    answers_each_recipient=True,
)
"""RFC 2033 (§4: LHLO instead of HELO and EHLO)."""

UNKNOWN: Final = Verb("UNKNOWN", "unknown")
"""The row of whatever is in no table."""
