"""HELO, EHLO and LHLO (RFC 5321 §4.1.1.1, RFC 2033)."""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from gatepost.admission.port import ProtocolStage
from gatepost.events.notes import KeywordsDiscarded
from gatepost.lookup.port import LookupFailure
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.grammar import printable, words
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.answer import Answer, refused, rejected
from gatepost.receive.auth import keywords as auth_keywords
from gatepost.receive.session_state import SessionState
from gatepost.receive.transaction import END

_NEUTERED: Final = str.maketrans(dict.fromkeys(' <>()\\";@', "?"))
XCLIENT_NAMES: Final = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"
XFORWARD_NAMES: Final = "NAME ADDR PROTO HELO SOURCE PORT IDENT"
_DISCARDABLE: Final = {
    "8BITMIME": "8BITMIME", "AUTH": "AUTH", "ETRN": "ETRN", "PIPELINING": "PIPELINING", "SIZE": "SIZE", "STARTTLS": "STARTTLS",
    "XVERP": "VERP", "VRFY": "VRFY", "XCLIENT": "XCLIENT", "XFORWARD": "XFORWARD", "DSN": "DSN", "SMTPUTF8": "EHLO_MASK_SMTPUTF8",
    "CHUNKING": "CHUNKING", "BINARYMIME": "BINARYMIME", "LIMITS": "LIMITS", "REQUIRETLS": "REQUIRETLS",
}  # fmt: skip
"""Keywords and how Postfix 3.7 logs them (one of them oddly), in its order."""

_UNLOGGED: Final = frozenset({"SILENT-DISCARD", "ENHANCEDSTATUSCODES"})
"""Words in smtpd_discard_ehlo_keywords that keep the log quiet; the second does so in Postfix 3.7 too."""


async def helo(state: SessionState, command: CommandLine) -> Answer:
    """HELO: no extensions. A client that said EHLO before stays an ESMTP client, as in Postfix."""
    if not command.argument:
        return refused(say.hello_syntax("HELO"))
    refusal = await _refusal(state, command)
    return refusal if refusal is not None else Answer(say.hello(state.settings.myhostname), effect=END)


async def ehlo(state: SessionState, command: CommandLine) -> Answer:
    """EHLO (for LMTP: LHLO): the extensions on offer."""
    if not command.argument:
        return refused(say.hello_syntax(command.verb))
    if state.keywords_unknown is not None:
        state.note(f"don't know what EHLO features to announce to {state.facts.client}", "warning")
        raise state.keywords_unknown
    refusal = await _refusal(state, command)
    if refusal is not None:
        return refusal
    state.facts.protocol_name = state.ports.dialect.extended
    state.facts.esmtp = True
    if dropped := discarded_words(state.ehlo_discard):
        state.ports.emit(KeywordsDiscarded("smtpd", dropped))
    return Answer(say.hello(state.settings.myhostname, await _keywords(state)), effect=END)


def discarded_words(discarded: frozenset[str]) -> str:
    """EHLO keywords that are not offered, as the log has them; empty where it is not to say so."""
    if not discarded or discarded & _UNLOGGED:
        return ""
    return " ".join(logged for word, logged in _DISCARDABLE.items() if word in discarded)


async def _refusal(state: SessionState, command: CommandLine) -> Answer | None:
    """What policy has against a name. The log has it; in the reply the client goes by its former one again."""
    facts, before = state.facts, state.facts.helo_name
    facts.helo_name = name = printable(" ".join(words(command.argument)))
    refusal = await state.judge(ProtocolStage.HELO, (command.argument,))
    if refusal is not None:
        answer = structs.replace(rejected(refusal), rejects=False, log=(state.rejection(refusal),))
        facts.helo_name = before
        return answer
    facts.helo_name = name.translate(_NEUTERED)  # from now on it stands in headers and in lists
    return None


async def _keywords(state: SessionState) -> list[str]:
    """EHLO keywords, in Postfix's order, less those to be discarded."""
    rows = [
        *_before_authorised(state),
        *[(True, keyword) for keyword in (await auth_keywords(state) if state.ports.sasl is not None else ())],
        *await _authorised(state),
        *_after(state),
    ]
    return [keyword for offered, keyword in rows if offered and keyword.partition(" ")[0] not in state.ehlo_discard]


def _before_authorised(state: SessionState) -> Iterator[tuple[bool, str]]:
    settings, verbs = state.settings, state.ports.dialect.verbs
    yield True, "PIPELINING"
    yield True, f"SIZE {settings.message_size_limit}" if settings.message_size_limit else "SIZE"
    yield not settings.disable_vrfy_command and "VRFY" in verbs, "VRFY"
    yield "ETRN" in verbs, "ETRN"
    offered = state.ports.tls is not None or state.ports.tls_unavailable
    yield offered and not state.facts.tls_protocol, "STARTTLS"


async def _authorised(state: SessionState) -> list[tuple[bool, str]]:
    return [(await _may(state, hosts, keyword), keyword) for hosts, keyword in _FOR_SOME]


_FOR_SOME: Final = (
    ("verp_clients", "XVERP"),
    ("xclient_hosts", f"XCLIENT {XCLIENT_NAMES}"),
    ("xforward_hosts", f"XFORWARD {XFORWARD_NAMES}"),
)


async def _may(state: SessionState, hosts: str, keyword: str) -> bool:
    """Whether the client is among those to whom a keyword is announced. Raises LookupFailure."""
    try:
        return await state.client_is(hosts)
    except LookupFailure:
        verb, client = keyword.partition(" ")[0], state.facts.client
        state.note(f"don't know if EHLO feature {verb} should be announced to {client}", "warning")
        raise


def _after(state: SessionState) -> Iterator[tuple[bool, str]]:
    settings = state.settings
    yield True, "ENHANCEDSTATUSCODES"
    yield True, "8BITMIME"
    yield True, "DSN"
    yield settings.smtputf8_enable, "SMTPUTF8"
    yield True, "CHUNKING"
    yield settings.smtpd_binarymime_enable, "BINARYMIME"
    yield state.offers_requiretls, "REQUIRETLS"
    yield settings.smtpd_limits_enable, f"LIMITS RCPTMAX={settings.smtpd_recipient_limit}"
