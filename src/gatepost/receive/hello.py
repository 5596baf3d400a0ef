"""HELO, EHLO, LHLO and STARTTLS (RFC 5321 §4.1.1.1, RFC 2033, RFC 3207)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import elements, upper
from gatepost.policy.port import Stage
from gatepost.proto.smtp import replies
from gatepost.proto.smtp.commands import LMTP
from gatepost.proto.smtp.grammar import printable, words
from gatepost.proto.smtp.server import Command
from gatepost.receive.connection import Gone
from gatepost.state.port import Rate

if TYPE_CHECKING:
    from gatepost.receive.session import Session

_NEUTERED: Final = str.maketrans(dict.fromkeys(' <>()\\";@', "?"))
XCLIENT_NAMES: Final = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"
XFORWARD_NAMES: Final = "NAME ADDR PROTO HELO SOURCE PORT IDENT"
_DISCARDABLE: Final = {
    "8BITMIME": "8BITMIME", "AUTH": "AUTH", "ETRN": "ETRN", "PIPELINING": "PIPELINING", "SIZE": "SIZE", "STARTTLS": "STARTTLS",
    "XVERP": "VERP", "VRFY": "VRFY", "XCLIENT": "XCLIENT", "XFORWARD": "XFORWARD", "DSN": "DSN", "SMTPUTF8": "EHLO_MASK_SMTPUTF8",
    "CHUNKING": "CHUNKING", "BINARYMIME": "BINARYMIME", "LIMITS": "LIMITS",
}  # fmt: skip
"""Keywords and how Postfix 3.7 logs them (one of them oddly), in its order."""

_UNLOGGED: Final = frozenset({"SILENT-DISCARD", "ENHANCEDSTATUSCODES"})
"""Words in smtpd_discard_ehlo_keywords that keep the log quiet; the second does so in Postfix 3.7 too."""


async def helo(session: "Session", command: Command) -> bool:
    """HELO: no extensions. A client that said EHLO before stays an ESMTP client, as in Postfix."""
    if not command.argument:
        return session.refuse("501 Syntax: HELO hostname")
    if not await _accepted(session, command):
        return False
    session.reply(f"250 {session.settings.myhostname}")
    return True


async def ehlo(session: "Session", command: Command) -> bool:
    """EHLO (for LMTP: LHLO): the extensions on offer."""
    if not command.argument:
        return session.refuse(f"501 Syntax: {session.where} hostname")
    await _learn_discarded(session)
    if not await _accepted(session, command):
        return False
    session.facts.protocol_name = "LMTP" if session.service.verbs is LMTP else "ESMTP"
    session.facts.esmtp = True
    if session.ehlo_discard and not session.ehlo_discard & _UNLOGGED:
        dropped = " ".join(logged for word, logged in _DISCARDABLE.items() if word in session.ehlo_discard)
        session.note(f"discarding EHLO keywords: {dropped}")
    session.say(replies.multiline(250, [session.settings.myhostname, *await _keywords(session)]))
    return True


async def _accepted(session: "Session", command: Command) -> bool:
    """Policy's say; on success the session begins anew."""
    facts, before = session.facts, session.facts.helo_name
    facts.helo_name = printable(" ".join(words(command.argument))).translate(_NEUTERED)
    if not await session.judge(Stage.HELO):
        facts.helo_name = before
        return False
    session.end_transaction()
    return True


async def _learn_discarded(session: "Session") -> None:
    """`smtpd_discard_ehlo_keyword_address_maps`, else `smtpd_discard_ehlo_keywords`."""
    try:
        text = await session.service.surroundings.discard_keywords(session.facts.client_address)
    except LookupFailure:
        session.note(f"don't know what EHLO features to announce to {session.facts.client}", "warning")
        raise
    if text is None:
        text = session.settings.smtpd_discard_ehlo_keywords
    session.ehlo_discard = frozenset(elements(upper(text))) if text else frozenset()


async def _keywords(session: "Session") -> list[str]:
    """EHLO keywords, in Postfix's order, less those to be discarded."""
    rows = [*_before_authorised(session), *await _authorised(session), *_after(session)]
    return [keyword for offered, keyword in rows if offered and keyword.partition(" ")[0] not in session.ehlo_discard]


def _before_authorised(session: "Session") -> Iterator[tuple[bool, str]]:
    settings = session.settings
    yield True, "PIPELINING"
    yield True, f"SIZE {settings.message_size_limit}" if settings.message_size_limit else "SIZE"
    yield not settings.disable_vrfy_command and "VRFY" in session.service.verbs, "VRFY"
    yield "ETRN" in session.service.verbs, "ETRN"
    yield session.service.tls is not None and not session.facts.tls_protocol, "STARTTLS"


async def _authorised(session: "Session") -> list[tuple[bool, str]]:
    return [(await _may(session, hosts, keyword), keyword) for hosts, keyword in _FOR_SOME]


_FOR_SOME: Final = (
    ("verp_clients", "XVERP"),
    ("xclient_hosts", f"XCLIENT {XCLIENT_NAMES}"),
    ("xforward_hosts", f"XFORWARD {XFORWARD_NAMES}"),
)


async def _may(session: "Session", hosts: str, keyword: str) -> bool:
    """Whether the client is among those to whom a keyword is announced. Raises LookupFailure."""
    try:
        return await session.client_is(hosts)
    except LookupFailure:
        verb, client = keyword.partition(" ")[0], session.facts.client
        session.note(f"don't know if EHLO feature {verb} should be announced to {client}", "warning")
        raise


def _after(session: "Session") -> Iterator[tuple[bool, str]]:
    settings = session.settings
    yield True, "ENHANCEDSTATUSCODES"
    yield True, "8BITMIME"
    yield True, "DSN"
    yield settings.smtputf8_enable, "SMTPUTF8"
    yield True, "CHUNKING"
    yield settings.smtpd_binarymime_enable, "BINARYMIME"
    yield settings.smtpd_limits_enable, f"LIMITS RCPTMAX={settings.smtpd_recipient_limit}"


async def starttls(session: "Session", command: Command) -> bool:
    """STARTTLS (RFC 3207 §4): what came in the clear after it is dropped, what was learned before it is forgotten."""
    tls = session.service.tls
    if command.argument:
        return session.refuse("501 5.5.4 Syntax: STARTTLS")
    if session.facts.tls_protocol:
        return session.refuse("554 5.5.1 Error: TLS already active")
    if tls is None or "STARTTLS" in session.ehlo_discard:
        return session.refuse("502 5.5.1 Error: command not implemented")
    if not await session.within_rate(Rate.TLS_SESSION):
        return session.refuse(f"454 4.7.0 Error: too many new TLS sessions from {session.facts.client_address}")
    session.reply("220 2.0.0 Ready to start TLS")
    await secure(session)
    session.end_transaction()
    session.facts.helo_name = None
    session.facts.unauth_pipelining = False
    return True


async def secure(session: "Session", *, at_once: bool = False) -> None:
    """The TLS handshake, with which the client began where it is `at_once` (smtpd_tls_wrappermode). Raises Gone where it fails:
    there is nothing left to talk over."""
    tls, facts = session.service.tls, session.facts
    assert tls is not None
    try:
        connected = await session.connection.start_tls(tls.context, session.settings.smtpd_starttls_timeout, at_once=at_once)
    except OSError as error:
        reason = str(error) if type(error).__name__ == "SSLError" else "lost connection"
        session.note(f"SSL_accept error from {facts.client}: {reason}")
        raise Gone("lost connection") from error
    told = tls.describe(connected)
    facts.tls_protocol, facts.tls_cipher, facts.tls_keysize, facts.tls_details = told.protocol, told.cipher, told.bits, told.details
    facts.ccert_subject, facts.ccert_issuer = told.subject, told.issuer
    facts.ccert_fingerprint, facts.ccert_pubkey_fingerprint = told.fingerprint, told.pubkey_fingerprint
    facts.ccert_trusted = told.trusted
    if session.settings.smtpd_tls_loglevel:
        trust = "Trusted" if told.trusted else "Untrusted" if told.fingerprint else "Anonymous"
        session.note(f"{trust} TLS connection established from {facts.client}: {told}")
