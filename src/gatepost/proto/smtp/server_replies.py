"""The texts of our server's replies, as Postfix words them; what policy, tables and cleanup say has its text in their outcomes."""

from collections.abc import Sequence
from typing import Final

from gatepost.mail.outcome import Class, Outcome
from gatepost.proto.smtp.replies import ServerReply as Reply

OK: Final = Reply(250, "2.0.0", "Ok")
BYE: Final = Reply(221, "2.0.0", "Bye")

# --- the line, and the order of commands ---

BAD_UTF8: Final = Reply(500, "5.5.2", "Error: bad UTF-8 syntax")
BAD_SYNTAX: Final = Reply(500, "5.5.2", "Error: bad syntax")
NOT_RECOGNIZED: Final = Reply(500, "5.5.2", "Error: command not recognized")
NOT_SMTP: Final = Reply(221, "2.7.0", "Error: I can break rules, too. Goodbye.")
OUT_OF_STEP: Final = Reply(554, "5.5.0", "Error: SMTP protocol synchronization")
STARTTLS_FIRST: Final = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
HELLO_FIRST: Final = Reply(503, "5.5.1", "Error: send HELO/EHLO first")


def bare_newline(code: int, host: str) -> Reply:
    """`code`: smtpd_forbid_bare_newline_reject_code."""
    return Reply(code, "5.5.2", f"{host} Error: bare <LF> received")


def access_denied(client: str) -> Reply:
    return Reply(503, "5.7.0", f"Error: access denied for {client}")


# --- beginning and end of a session ---


def unavailable(host: str) -> Reply:
    """A greeting after which the session is over."""
    return Reply(421, "", f"{host} Service unavailable - try again later")


def not_accepting(host: str) -> Reply:
    """A greeting of a server that will take no mail in this session (RFC 5321 §3.1)."""
    return Reply(554, "", f"{host} ESMTP not accepting connections")


def banner(text: str) -> Reply:
    return Reply(220, "", text)


def busy(host: str) -> Reply:
    return Reply(421, "4.3.2", f"{host} All server ports are busy")


def shutting_down(host: str) -> Reply:
    return Reply(421, "4.3.2", f"{host} Error: server is shutting down")


def bad_client_certificate(host: str, what: str) -> Reply:
    """`what` is wrong with it: it is missing, or not trusted."""
    return Reply(421, "4.7.1", f"{host} Error: {what}")


def no_proxy_header(host: str) -> Reply:
    return Reply(421, "4.3.2", f"{host} Server local error")


def software_error(host: str) -> Reply:
    return Reply(421, "4.3.0", f"{host} Server local error")


def data_error(host: str) -> Reply:
    return Reply(421, "4.3.0", f"{host} Server local data error")


def timeout_exceeded(host: str) -> Reply:
    return Reply(421, "4.4.2", f"{host} Error: timeout exceeded")


def too_many_errors(host: str) -> Reply:
    return Reply(421, "4.7.0", f"{host} Error: too many errors")


def too_many_connections(host: str, address: str) -> Reply:
    return Reply(421, "4.7.0", f"{host} Error: too many connections from {address}")


# --- HELO, EHLO, LHLO, STARTTLS, AUTH ---


def hello(host: str, keywords: Sequence[str] = ()) -> Reply:
    """`keywords`: the extensions on offer (RFC 5321 §4.1.1.1)."""
    return Reply(250, "", host, tuple(keywords))


def hello_syntax(verb: str) -> Reply:
    return Reply(501, "", f"Syntax: {verb} hostname")


STARTTLS_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: STARTTLS")
TLS_ACTIVE: Final = Reply(554, "5.5.1", "Error: TLS already active")
NOT_IMPLEMENTED: Final = Reply(502, "5.5.1", "Error: command not implemented")
START_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
TLS_UNAVAILABLE: Final = Reply(454, "4.7.0", "TLS not available due to local problem")
NO_AUTH: Final = Reply(503, "5.5.1", "Error: authentication not enabled")
ALREADY_AUTHENTICATED: Final = Reply(503, "5.5.1", "Error: already authenticated")
AUTH_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: AUTH mechanism")
AUTH_ABORTED: Final = Reply(501, "5.7.0", "Authentication aborted")
RESPONSE_TOO_LONG: Final = Reply(500, "5.5.6", "SASL response limit exceeded")
AUTHENTICATED: Final = Reply(235, "2.7.0", "Authentication successful")


def challenge(text: str) -> Reply:
    """`text`: base64 (RFC 4954 §4)."""
    return Reply(334, "", text)


def not_authenticated(reason: str) -> Reply:
    return Reply(535, "5.7.8", f"Error: authentication failed: {reason}")


def authentication_unavailable(reason: str) -> Reply:
    return Reply(454, "4.7.0", f"Temporary authentication failure: {reason}")


def too_many_auth_commands(address: str) -> Reply:
    return Reply(450, "4.7.1", f"Error: too many AUTH commands from {address}")


def too_many_tls_sessions(address: str) -> Reply:
    return Reply(454, "4.7.0", f"Error: too many new TLS sessions from {address}")


# --- MAIL, RCPT, VRFY ---

MAIL_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
NESTED_MAIL: Final = Reply(503, "5.5.1", "Error: nested MAIL command")
MAIL_AFTER_BDAT: Final = Reply(503, "5.5.1", "Error: MAIL after BDAT")
SENDER_OK: Final = Reply(250, "2.1.0", "Ok")
BAD_SENDER: Final = Reply(501, "5.1.7", "Bad sender address syntax")
NEEDS_SMTPUTF8: Final = Reply(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address")
RCPT_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
NEED_MAIL: Final = Reply(503, "5.5.1", "Error: need MAIL command")
RCPT_AFTER_BDAT: Final = Reply(503, "5.5.1", "Error: RCPT after BDAT")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "Ok")
BAD_RECIPIENT: Final = Reply(501, "5.1.3", "Bad recipient address syntax")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Error: too many recipients")
NO_VRFY: Final = Reply(502, "5.5.1", "VRFY command is disabled")

LOOKUP_ERROR: Final = Outcome(Class.TEMPORARY, "4.3.0", "Temporary lookup error", 451, origin="software")
NO_STORAGE: Final = Outcome(Class.TEMPORARY, "4.3.1", "Insufficient system storage", 452, origin="resource")
TOO_LARGE: Final = Outcome(Class.PERMANENT, "5.3.4", "Message size exceeds fixed limit", 552)


def too_much_mail(address: str) -> Reply:
    return Reply(450, "4.7.1", f"Error: too much mail from {address}")


def too_many_recipients_from(address: str) -> Reply:
    return Reply(450, "4.7.1", f"Error: too many recipients from {address}")


def vrfy_syntax(smtputf8: bool) -> Reply:
    return Reply(501, "5.5.4", "Syntax: VRFY address" + (" [SMTPUTF8]" if smtputf8 else ""))


def cannot_verify(address: str) -> Reply:
    """RFC 5321 §7.3: it would be taken; nothing is said of what becomes of it."""
    return Reply(252, "2.0.0", address)


# --- parameters of MAIL and RCPT ---

NO_DSN: Final = Reply(501, "5.7.1", "DSN support is disabled")
BAD_SIZE: Final = Reply(501, "5.5.4", "Bad message size syntax")
SIZE_OF_NO_FILE: Final = Reply(552, "5.3.4", "Message size exceeds file system imposed limit")
BAD_RET: Final = Reply(501, "5.5.4", "Bad RET parameter syntax")
BAD_ENVID: Final = Reply(501, "5.5.4", "Bad ENVID parameter syntax")
BAD_NOTIFY: Final = Reply(501, "5.5.4", "Error: Bad NOTIFY parameter syntax")
BAD_ORCPT: Final = Reply(501, "5.5.4", "Error: Bad ORCPT parameter syntax")
NULL_VERP: Final = Reply(503, "5.5.4", "Error: XVERP requires non-null sender")


def unsupported_option(parameter: str) -> Reply:
    return Reply(555, "5.5.4", f"Unsupported option: {parameter}")


def bad_verp(delimiters: str) -> Reply:
    """`delimiters`: verp_delimiter_filter."""
    return Reply(501, "5.5.4", f"Error: XVERP needs two characters from {delimiters}")


# --- DATA, BDAT and the end of a message ---

GO_AHEAD: Final = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
NEED_RCPT: Final = Reply(503, "5.5.1", "Error: need RCPT command")
DATA_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: DATA")
DATA_AFTER_BDAT: Final = Reply(503, "5.5.1", "Error: DATA after BDAT")
BDAT_SYNTAX: Final = Reply(521, "5.5.4", "Syntax: BDAT count [LAST]")
NO_BDAT: Final = Reply(521, "5.5.1", "Error: command not implemented")
NULL_BDAT: Final = Reply(551, "5.7.1", "Null BDAT request")
CHUNK_TOO_LARGE: Final = Reply(552, "5.3.4", "Chunk exceeds message size limit")

TOO_BIG: Final = Outcome(Class.PERMANENT, "5.3.4", "Error: message file too big", 552)
WRITE_ERROR: Final = Outcome(Class.TEMPORARY, "4.3.0", "Error: queue file write error", 451, origin="resource")


def no_valid_recipients(code: int) -> Reply:
    """`code`: 503 in LMTP (RFC 2033 §4.2), 554 in SMTP."""
    return Reply(code, "5.5.1", "Error: no valid recipients")


def chunk_taken(size: int) -> Reply:
    return Reply(250, "2.0.0", f"Ok: {size} bytes")


def chunk_discarded(size: int) -> Reply:
    return Reply(551, "5.0.0", f"Discarded {size} bytes after earlier error")


def queued(queue_id: str) -> Reply:
    return Reply(250, "2.0.0", f"Ok: queued as {queue_id}")


def chunks_queued(queue_id: str, size: int) -> Reply:
    return Reply(250, "2.0.0", f"Ok: {size} bytes queued as {queue_id}")


# --- RSET, ETRN, XCLIENT, XFORWARD ---

RSET_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: RSET")
ETRN_HELLO_FIRST: Final = Reply(503, "", "Error: send HELO/EHLO first")
ETRN_IN_TRANSACTION: Final = Reply(503, "", "Error: MAIL transaction in progress")
ETRN_SYNTAX: Final = Reply(500, "", "Syntax: ETRN domain")
ETRN_BAD_DOMAIN: Final = Reply(501, "", "Error: invalid parameter syntax")
QUEUING_STARTED: Final = Reply(250, "", "Queuing started")
CANNOT_QUEUE: Final = Reply(458, "", "Unable to queue messages")
IN_TRANSACTION: Final = Reply(503, "5.5.1", "Error: MAIL transaction in progress")
NOT_AUTHORIZED: Final = Reply(550, "5.7.0", "Error: insufficient authorization")
NO_VALUE: Final = Reply(501, "5.5.4", "Error: attribute=value expected")
VALUE_TOO_LONG: Final = Reply(501, "5.5.4", "Error: attribute value too long")


def no_flush_for(domain: str) -> Reply:
    """Not one of fast_flush_domains."""
    return Reply(459, "", f"<{domain}>: service unavailable")


def attributes_syntax(verb: str) -> Reply:
    return Reply(501, "5.5.4", f"Syntax: {verb} attribute=value...")


def bad_attribute_name(verb: str, name: str) -> Reply:
    return Reply(501, "5.5.4", f"Bad {verb} attribute name: {name}")


def bad_attribute_value(name: str, value: str) -> Reply:
    return Reply(501, "5.5.4", f"Bad {name} syntax: {value}")
