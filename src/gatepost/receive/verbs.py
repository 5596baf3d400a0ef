"""Which function answers which verb, and the verbs that need but a few lines (RFC 5321 §4.1.1, RFC 1985 ETRN)."""

from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.admission.port import ProtocolStage
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.grammar import printable, words
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.answer import Answer, Tally, refused, rejected
from gatepost.receive.auth import auth
from gatepost.receive.content import bdat, data
from gatepost.receive.hello import ehlo, helo
from gatepost.receive.mail import mail, rcpt, vrfy
from gatepost.receive.peer import valid_hostname, valid_literal
from gatepost.receive.proxying import xclient, xforward
from gatepost.receive.session_state import SessionState
from gatepost.receive.starttls import starttls
from gatepost.receive.transaction import END

Handler = Callable[[SessionState, CommandLine], Awaitable[Answer]]
"""Answers one verb."""

_OK: Final = Answer(say.OK)
_RESET: Final = Answer(say.OK, effect=END)
_BYE: Final = Answer(say.BYE, hangs_up=True)


async def rset(state: SessionState, command: CommandLine) -> Answer:
    """RSET: the transaction is forgotten."""
    return refused(say.RSET_SYNTAX) if command.argument else _RESET


async def noop(state: SessionState, command: CommandLine) -> Answer:
    """NOOP."""
    return _OK


async def quit_(state: SessionState, command: CommandLine) -> Answer:
    """QUIT."""
    return _BYE


async def etrn(state: SessionState, command: CommandLine) -> Answer:
    """ETRN: start delivery of what waits for a domain (RFC 1985; ETRN_README)."""
    if _wants_hello(state):
        return refused(say.ETRN_HELLO_FIRST)
    if state.transaction is not None:
        return refused(say.ETRN_IN_TRANSACTION)
    argument = words(command.argument)
    if len(argument) != 1:
        return refused(say.ETRN_SYNTAX)
    domain = argument[0][1:] if argument[0][0] in "@#" else argument[0]
    if not (valid_hostname(domain) or valid_literal(domain)):
        return refused(say.ETRN_BAD_DOMAIN)
    state.facts.etrn_domain = domain
    refusal = await state.judge(ProtocolStage.ETRN, argument)
    return rejected(refusal) if refusal is not None else await _flush(state, domain)


async def _flush(state: SessionState, domain: str) -> Answer:
    started = await state.ports.lookups.flush(domain)
    if started is None:
        state.note(f"reject: ETRN {printable(domain)[:100]}... from {state.facts.client}", "warning")
        return refused(say.no_flush_for(domain))
    return Answer(say.QUEUING_STARTED) if started else Answer(say.CANNOT_QUEUE, Tally.ERROR)


def _wants_hello(state: SessionState) -> bool:
    return state.settings.smtpd_helo_required and state.facts.helo_name is None


HANDLERS: Final[dict[str, Handler]] = {
    "helo": helo,
    "ehlo": ehlo,
    "starttls": starttls,
    "auth": auth,
    "mail": mail,
    "rcpt": rcpt,
    "data": data,
    "bdat": bdat,
    "rset": rset,
    "noop": noop,
    "vrfy": vrfy,
    "etrn": etrn,
    "xclient": xclient,
    "xforward": xforward,
    "quit": quit_,
}
"""By the `handler` column of the verb table."""
