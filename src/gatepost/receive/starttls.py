"""STARTTLS (RFC 3207), and TLS from the start (smtpd_tls_wrappermode, RFC 8314 §3): the handshake, what the log says of it, and
whether the client has shown the certificate that it must."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from gatepost.admission.port import ProtocolStage
from gatepost.events.notes import TlsEstablished, TlsFailed
from gatepost.lookup.port import LookupFailure
from gatepost.net.handshake_watch import faults_of, states_of
from gatepost.net.tls import ServerTls, TlsFacts
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.answer import Answer, Tally, refused, rejected
from gatepost.receive.connection import Gone
from gatepost.receive.session_state import SessionState
from gatepost.receive.transaction import END
from gatepost.state.port import Rate

_SUMMARY: Final = 1
_STATES: Final = 2
"""smtpd_tls_loglevel: one line a session, and the states of its handshake."""


async def starttls(state: SessionState, command: CommandLine) -> Answer:
    """STARTTLS (RFC 3207 §4): what came in the clear after it is dropped, what was learned before it is forgotten."""
    if command.argument:
        return refused(say.STARTTLS_SYNTAX)
    if state.facts.tls_protocol:
        return refused(say.TLS_ACTIVE)
    offered = state.ports.tls is not None or state.ports.tls_unavailable
    if not offered or "STARTTLS" in state.ehlo_discard:
        return refused(say.NOT_IMPLEMENTED)
    if state.ports.tls_unavailable:
        return Answer(say.TLS_UNAVAILABLE, Tally.ERROR, "software")
    if not await state.within_rate(Rate.TLS_SESSION):
        return refused(say.too_many_tls_sessions(state.facts.client_address))
    if (refusal := await state.judge(ProtocolStage.STARTTLS)) is not None:
        return rejected(refusal)
    return Answer(say.START_TLS, then=partial(_begin_anew, state))


async def _begin_anew(state: SessionState) -> Answer:
    if (refusal := await secure(state)) is not None:
        return refusal
    state.facts.helo_name = None
    state.facts.sasl_username = state.facts.sasl_method = ""
    state.facts.unauth_pipelining = False
    state.facts.evidence.clear()
    return Answer(effect=END)


async def secure(state: SessionState, *, at_once: bool = False) -> Answer | None:
    """The TLS handshake, with which the client began where it is `at_once` (smtpd_tls_wrappermode); what a client hears that shows
    no certificate that is trusted, where it must. Raises Gone where the handshake fails: there is nothing left to talk over."""
    tls = state.ports.tls
    assert tls is not None
    level = await _loglevel(state)
    if level >= _STATES:
        state.note(f"setting up TLS connection from {state.facts.client}")
        state.note(f'{state.facts.client}: TLS cipher list "{tls.cipher_list}"')
    try:
        connected = await state.wire.start_tls(tls.context, state.settings.smtpd_starttls_timeout, at_once=at_once)
    except OSError as error:
        _tell_failure(state, level, error)
        raise Gone("lost connection") from error
    told = tls.describe(connected, details=level >= _SUMMARY or state.settings.smtpd_tls_received_header)
    _learn(state, told)
    _tell_success(state, level, told)
    return _untrusted(state, tls, told)


async def _loglevel(state: SessionState) -> int:
    """smtpd_tls_loglevel, or what smtpd_tls_loglevel_maps says of this client."""
    level, of_client = state.settings.smtpd_tls_loglevel, state.ports.lookups.tls_loglevel
    if of_client is None:
        return level
    for name in (state.facts.client_name, state.facts.client_address):
        try:
            found = await of_client(name)
        except LookupFailure:  # the log has it, and mail does not depend on this
            return level
        if found is not None:
            return int(found) if found.isascii() and found.isdigit() else level
    return level


def _tell_failure(state: SessionState, level: int, error: OSError) -> None:
    """The lines of a handshake that failed, whatever the level."""
    faults = faults_of(error)
    if level >= _STATES:
        _tell_states(state, states_of(error))
    reason = "-1" if faults else "Connection timed out" if isinstance(error, TimeoutError) else "lost connection"
    state.ports.emit(TlsFailed("smtpd", "SSL_accept", "from", state.facts.client, reason))
    for fault in faults:
        state.note(f"TLS library problem: {fault}", "warning")


def _tell_success(state: SessionState, level: int, told: TlsFacts) -> None:
    client = state.facts.client
    if level >= _STATES:
        _tell_states(state, told.states)
        for line in _certificate_lines(client, told):
            state.note(line)
    if level >= _SUMMARY:
        trust = "Trusted" if told.trusted else "Untrusted" if told.fingerprint else "Anonymous"
        state.ports.emit(TlsEstablished("smtpd", trust, "from", client, str(told)))


def _tell_states(state: SessionState, states: tuple[str, ...]) -> None:
    for one in states:
        state.note(one)


def _certificate_lines(client: str, told: TlsFacts) -> Iterator[str]:
    """What the client's certificate says, where it has shown one."""
    if told.fingerprint:
        yield f"subject={told.names[0]}"
        yield f"issuer={told.names[1]}"
        yield (
            f"{client}: subject_CN={told.subject}, issuer={told.issuer}, fingerprint={told.fingerprint}, "
            f"pkey_fingerprint={told.pubkey_fingerprint}"
        )


def _learn(state: SessionState, told: TlsFacts) -> None:
    """What the session knows of the handshake from now on."""
    facts = state.facts
    facts.tls_protocol, facts.tls_cipher, facts.tls_keysize, facts.tls_details = told.protocol, told.cipher, told.bits, told.details
    facts.ccert_subject, facts.ccert_issuer = told.subject, told.issuer
    facts.ccert_fingerprint, facts.ccert_pubkey_fingerprint = told.fingerprint, told.pubkey_fingerprint
    facts.ccert_trusted = told.trusted


def _untrusted(state: SessionState, tls: ServerTls, told: TlsFacts) -> Answer | None:
    """What a client hears whose certificate is missing or not trusted, where it must have one that is."""
    if not tls.insists or told.trusted:
        return None
    client, what = state.facts.client, "No client certificate presented"
    if told.fingerprint:
        what = "Client certificate not trusted"
        state.note(f"certificate verification failed for {client}: {told.distrust}")
    state.note(f"NOQUEUE: abort: TLS from {client}: {what}")
    return Answer(say.bad_client_certificate(state.settings.myhostname, what))
