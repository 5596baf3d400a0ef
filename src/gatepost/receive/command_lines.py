"""A command as a line: what is wrong with it before anybody asks what it means (smtpd(8), postconf(5))."""

from typing import Final

from gatepost.admission.port import ProtocolStage
from gatepost.events.notes import CommandReplaced, ImproperPipelining, NotSmtp, RequestTooLong
from gatepost.mail.ascii_text import SPACE, upper
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.commands import Verb
from gatepost.proto.smtp.data import LineEnds
from gatepost.proto.smtp.grammar import is_header, printable, words
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.answer import Answer, Tally, refused, rejected
from gatepost.receive.session_state import BARE_NEWLINE, SessionState

_LOGGED_OCTETS: Final = 100


def warn_of_length(state: SessionState, command: CommandLine) -> None:
    """Tell the log of a line that was cut (line_length_limit)."""
    if command.overlong:
        said = _beginning(printable(state.secrets.shown(command.line)), 30)
        state.ports.emit(RequestTooLong("smtpd", state.facts.client, state.settings.line_length_limit, said))


async def filtered(state: SessionState, command: CommandLine) -> CommandLine:
    """What smtpd_command_filter makes of `command`. Raises LookupFailure."""
    replace = state.ports.lookups.command_filter
    line = None if replace is None else await replace(command.line)
    if line is None:
        return command
    line = line.strip(SPACE)
    before, after = (_beginning(state.secrets.shown(text), _LOGGED_OCTETS) for text in (command.line, line))
    state.ports.emit(CommandReplaced("smtpd", state.facts.client, before, after))
    verb, _, argument = line.partition(" ")
    return CommandLine(upper(verb), argument.strip(SPACE), line, command.utf8, command.bare_newline)


def badly_said(state: SessionState, command: CommandLine) -> Answer | None:
    """The refusal of what is no proper line."""
    settings = state.settings
    if command.bare_newline and state.line_ends is LineEnds.REJECT:
        reply = say.bare_newline(settings.smtpd_forbid_bare_newline_reject_code, settings.myhostname)
        return Answer(reply, Tally.ERROR, log=(state.judged("reject", "bare <LF> received", why=BARE_NEWLINE),), hangs_up=True)
    if not command.utf8 and settings.smtputf8_enable:
        return refused(say.BAD_UTF8)
    return None if command.verb else refused(say.BAD_SYNTAX)


async def unknown(state: SessionState, command: CommandLine) -> Answer:
    """What is in no verb table: the client may be no SMTP client at all (smtpd_forbidden_commands)."""
    word = (words(command.line, colon=True) or [""])[0]
    if is_header(word) or await state.ports.lookups.forbidden(word):
        line = printable(state.secrets.shown(command.line))[:100]
        state.ports.emit(NotSmtp("smtpd", state.facts.client, line))
        return Answer(say.NOT_SMTP, Tally.NEITHER, hangs_up=True)
    if state.refused:
        return Answer(say.access_denied(state.facts.client), Tally.ERROR)
    refusal = await state.judge(ProtocolStage.UNKNOWN, (command.line,))
    return rejected(refusal) if refusal is not None else Answer(say.NOT_RECOGNIZED, Tally.ERROR)


def not_now(state: SessionState, verb: Verb) -> Answer | None:
    """The refusal of a verb for which the session is not ready."""
    if state.refused and not verb.open_door:
        return Answer(say.access_denied(state.facts.client), Tally.ERROR)
    if state.ports.requires_tls and not verb.before_tls and not state.facts.tls_protocol:
        return Answer(say.STARTTLS_FIRST, Tally.ERROR)
    return None


def out_of_step(state: SessionState, verb: Verb) -> Answer | None:
    """A client that talks before it can know the answer (RFC 2920 §3.1), whose session ends where that is forbidden."""
    return None if state.facts.protocol_name == "ESMTP" and not verb.last else too_early(state, verb.name)


def too_early(state: SessionState, verb: str) -> Answer | None:
    """More has come after `verb` than should: told once in a session."""
    facts = state.facts
    if facts.unauth_pipelining:
        return None
    facts.unauth_pipelining = True
    sample = _escaped(state.secrets.all_shown(state.wire.core.peek(_LOGGED_OCTETS).decode("utf-8", "replace")))
    state.ports.emit(ImproperPipelining("smtpd", verb, facts.client, sample))
    if not state.settings.smtpd_forbid_unauth_pipelining:
        return None
    return Answer(say.OUT_OF_STEP, Tally.NEITHER, hangs_up=True)


def _beginning(text: str, octets: int) -> str:
    """As much of a text as a log line takes."""
    return text.encode("utf-8", "surrogateescape")[:octets].decode("utf-8", "ignore")


def _escaped(text: str) -> str:
    """Text as Postfix logs it: C escapes, what is printable as it is."""
    return "".join(_C_ESCAPES.get(c) or (c if c.isprintable() else f"\\{ord(c):03o}") for c in text)


_C_ESCAPES: Final = {"\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\v": "\\v", "\a": "\\a"}
