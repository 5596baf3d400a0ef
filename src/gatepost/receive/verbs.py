"""Which function answers which verb, and the verbs that need but a few lines (RFC 5321 §4.1.1, RFC 1985 ETRN)."""

from typing import TYPE_CHECKING, Final

from gatepost.mail.ascii_text import spaced_words
from gatepost.policy.port import Stage
from gatepost.proto.smtp.grammar import printable
from gatepost.proto.smtp.server import Command
from gatepost.receive.content import bdat, data
from gatepost.receive.hello import ehlo, helo, starttls
from gatepost.receive.mail import mail, rcpt, vrfy
from gatepost.receive.peer import valid_hostname, valid_literal
from gatepost.receive.proxying import xclient, xforward

if TYPE_CHECKING:
    from gatepost.receive.session import Handler, Session


async def rset(session: "Session", command: Command) -> bool:
    """RSET: the transaction is forgotten."""
    if command.argument:
        return session.refuse("501 5.5.4 Syntax: RSET")
    session.end_transaction()
    session.reply("250 2.0.0 Ok")
    return True


async def noop(session: "Session", command: Command) -> bool:
    """NOOP."""
    session.reply("250 2.0.0 Ok")
    return True


async def quit_(session: "Session", command: Command) -> bool:
    """QUIT."""
    session.reply("221 2.0.0 Bye")
    session.hangup = True
    return True


async def auth(session: "Session", command: Command) -> bool:
    """AUTH where authentication is not enabled."""
    if session.settings.smtpd_helo_required and session.facts.helo_name is None:
        return session.refuse("503 5.5.1 Error: send HELO/EHLO first")
    return session.refuse("503 5.5.1 Error: authentication not enabled")


async def etrn(session: "Session", command: Command) -> bool:
    """ETRN: start delivery of what waits for a domain (RFC 1985; ETRN_README)."""
    if session.settings.smtpd_helo_required and session.facts.helo_name is None:
        return session.refuse("503 Error: send HELO/EHLO first")
    if session.transaction is not None:
        return session.refuse("503 Error: MAIL transaction in progress")
    argument = spaced_words(command.argument)
    if len(argument) != 1:
        return session.refuse("500 Syntax: ETRN domain")
    domain = argument[0][1:] if argument[0][0] in "@#" else argument[0]
    if not (valid_hostname(domain) or valid_literal(domain)):
        return session.refuse("501 Error: invalid parameter syntax")
    session.facts.etrn_domain = domain
    if not await session.judge(Stage.ETRN):
        return False
    started = await session.service.surroundings.flush(domain)
    if started is None:
        session.note(f"reject: ETRN {printable(domain)[:100]}... from {session.facts.client}", "warning")
        return session.refuse(f"459 <{domain}>: service unavailable")
    session.reply("250 Queuing started" if started else "458 Unable to queue messages")
    return started


HANDLERS: Final[dict[str, "Handler"]] = {
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
