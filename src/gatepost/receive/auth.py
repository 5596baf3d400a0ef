"""AUTH (RFC 4954): who is it that the client speaks for (smtpd_sasl_auth_enable, SASL_README)."""

from functools import partial
from typing import Final

from msgspec import structs

from gatepost.admission.port import ProtocolStage
from gatepost.auth.offer import ServerSasl
from gatepost.auth.port import Ask, Attempt, Channel, LoggedIn, NoMechanisms, NotLoggedIn, NotNow, Progress
from gatepost.events.notes import LoginAborted, LoginFailed, RequestTooLong
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import upper
from gatepost.net.channel_binding import channel_bindings
from gatepost.proto.sasl.mechanisms import MECHANISMS
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.grammar import printable, words
from gatepost.proto.smtp.replies import ServerReply
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.answer import Answer, Tally, refused, rejected
from gatepost.receive.secrets import MASKED, mechanism_shown
from gatepost.receive.session_state import SessionState
from gatepost.state.port import Rate

_SHOWN = 100
"""Characters of what a client said that the log takes."""


def active(state: SessionState) -> ServerSasl | None:
    """The log-ins of the service, where the client may have them: not in the clear with smtpd_tls_auth_only."""
    too_open = state.settings.smtpd_tls_auth_only and not state.facts.tls_protocol
    return None if too_open or "AUTH" in state.ehlo_discard else state.ports.sasl


async def keywords(state: SessionState) -> list[str]:
    """What EHLO says of AUTH: nothing to those in smtpd_sasl_exceptions_networks; twice where broken_sasl_auth_clients asks for
    the form of before RFC 2554."""
    sasl = active(state)
    if sasl is None or await _excepted(state):
        return []
    try:
        mechanisms = " ".join(await sasl.announced(await channel_of(state)))
    except (NoMechanisms, LookupFailure):
        return []  # the log has it; AUTH itself says that it is for now
    if not mechanisms:
        state.note("no SASL authentication mechanisms", "warning")
        return []
    old = [f"AUTH={mechanisms}"] if state.settings.broken_sasl_auth_clients else []
    return [f"AUTH {mechanisms}", *old]


async def channel_of(state: SessionState) -> Channel:
    """What mechanisms may know of the connection."""
    facts = state.facts
    if not facts.tls_protocol:
        return _IN_THE_CLEAR
    connected = state.wire.transport.get_extra_info("ssl_object")
    return Channel(True, channel_bindings(connected), await _certified(state))


async def _certified(state: SessionState) -> str:
    """Whom the client's certificate stands for: by its name where it verified, else as relay_clientcerts has it under its
    fingerprint; empty for nobody, and where the table cannot say."""
    facts = state.facts
    if facts.ccert_trusted:
        return facts.ccert_subject
    try:
        for fingerprint in filter(None, (facts.ccert_fingerprint, facts.ccert_pubkey_fingerprint)):
            if (name := await state.ports.lookups.certified(fingerprint)) is not None:
                return name
    except LookupFailure:
        pass  # the log has it
    return ""


async def _excepted(state: SessionState) -> bool:
    try:
        return await state.client_is("sasl_exceptions")
    except LookupFailure:
        return False


async def auth(state: SessionState, command: CommandLine) -> Answer:
    """AUTH: an exchange begins, or is over at once."""
    if not await state.within_rate(Rate.AUTH):
        return structs.replace(refused(say.too_many_auth_commands(state.facts.client_address)), trouble="policy")
    if state.settings.smtpd_helo_required and state.facts.helo_name is None:
        return refused(say.HELLO_FIRST)
    sasl = active(state)
    if sasl is None:
        return refused(say.NO_AUTH)
    if (reply := _not_now(state)) is not None:
        return refused(reply)
    if (refusal := await state.judge(ProtocolStage.AUTH)) is not None:
        return rejected(refusal)
    argument = words(command.argument)
    if not 1 <= len(argument) <= 2:
        return refused(say.AUTH_SYNTAX)
    return await _begin(state, sasl, argument[0], argument[1] if len(argument) > 1 else None)


def _not_now(state: SessionState) -> ServerReply | None:
    if state.transaction is not None:
        return say.IN_TRANSACTION
    return say.ALREADY_AUTHENTICATED if state.facts.sasl_username else None


async def _begin(state: SessionState, sasl: ServerSasl, method: str, initial: str | None) -> Answer:
    facts, mechanism = state.facts, upper(method)
    channel = await channel_of(state)
    try:
        usable = await sasl.usable(channel)
        bound = any(MECHANISMS[name].bound for name in await sasl.announced(channel) if name in MECHANISMS)
    except (NoMechanisms, LookupFailure) as failure:
        return _failed(state, method, NotNow(str(failure)))
    if mechanism not in usable:
        return _failed(state, method, NotLoggedIn("Invalid authentication mechanism"))
    attempt = Attempt(
        state.settings.smtpd_sasl_service, mechanism, facts.client_address, facts.client_name, facts.server_address,
        state.settings.myhostname, channel.secured, channel.bindings, channel.certified, bound,
    )  # fmt: skip
    state.conversation = sasl.converse(attempt)
    return _next(state, method, await state.conversation.start(initial))


def _next(state: SessionState, method: str, progress: Progress) -> Answer:
    """What the client hears of a step."""
    if isinstance(progress, Ask):
        return Answer(say.challenge(progress.challenge), asks=partial(_respond, state, method))
    state.end_conversation()
    if not isinstance(progress, LoggedIn):
        return _failed(state, method, progress)
    state.facts.sasl_username, state.facts.sasl_method = printable(progress.user), printable(method)
    return _AUTHENTICATED


async def _respond(state: SessionState, method: str, line: CommandLine) -> Answer:
    """A response: no command, whatever it looks like."""
    assert state.conversation is not None
    if line.overlong or line.line == "*":
        state.end_conversation()
    if line.overlong:
        limit = state.settings.smtpd_sasl_response_limit
        return Answer(say.RESPONSE_TOO_LONG, Tally.ERROR, log=(RequestTooLong("smtpd", state.facts.client, limit, MASKED),))
    if line.line == "*":
        aborted = LoginAborted("smtpd", state.facts.client, mechanism_shown(method))
        return Answer(say.AUTH_ABORTED, Tally.ERROR, log=(aborted,))
    return _next(state, method, await state.conversation.respond(line.line))


def _failed(state: SessionState, method: str, progress: NotLoggedIn | NotNow) -> Answer:
    """Who is not let in, and whom nobody could ask about."""
    user = "(unavailable)" if progress.user is None else printable(progress.user)[:_SHOWN]
    failed = LoginFailed("smtpd", state.facts.client, mechanism_shown(method), printable(progress.reason), user)
    if isinstance(progress, NotNow):
        return Answer(say.authentication_unavailable(printable(progress.told)), Tally.ERROR, log=(failed,))
    return Answer(say.not_authenticated(printable(progress.reason)), Tally.ERROR, log=(failed,))


_IN_THE_CLEAR: Final = Channel()
_AUTHENTICATED: Final = Answer(say.AUTHENTICATED)
