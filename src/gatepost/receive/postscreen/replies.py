"""What postscreen's clients hear, in Postfix's words."""

from typing import Final

from gatepost.proto.smtp.replies import ServerReply as Reply

DENIED: Final = Reply(550, "5.3.2", "Service currently unavailable")
NOT_YET: Final = Reply(450, "4.3.2", "Service currently unavailable")
PROTOCOL_ERROR: Final = Reply(550, "5.5.1", "Protocol error")
NOT_SMTP: Final = Reply(521, "5.7.0", "Error: I can break rules, too. Goodbye.")
NOT_RECOGNIZED: Final = Reply(502, "5.5.2", "Error: command not recognized")
STARTTLS_SYNTAX: Final = Reply(501, "", "Syntax: EHLO hostname")
NOT_VERIFIED: Final = Reply(450, "4.3.2", "Service currently unavailable")
NO_RECIPIENTS: Final = Reply(554, "5.5.1", "Error: no valid recipients")
BDAT_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: BDAT count [LAST]")
BDAT_WITHOUT_MAIL: Final = Reply(554, "5.5.1", "Error: need MAIL command")
CANNOT_QUEUE: Final = Reply(458, "", "Unable to queue messages")
TOO_MANY: Final = Reply(421, "4.7.0", "Error: too many connections")
PORTS_BUSY: Final = Reply(421, "4.3.2", "All screening ports are busy")
NO_RESOURCES: Final = Reply(421, "4.3.2", "No system resources")


def listed(address: str, domain: str) -> Reply:
    """`domain`: of the DNS list, as clients may see it."""
    return Reply(550, "5.7.1", f"Service unavailable; client [{address}] blocked using {domain}")


def dropping(reply: Reply) -> Reply:
    """The same where the connection ends with it (RFC 7504)."""
    return Reply(521, reply.enhanced, reply.text)


def limit_reached(host: str) -> Reply:
    return Reply(421, "", f"{host} Service unavailable - try again later")
