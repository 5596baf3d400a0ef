"""What follows a refusal: smtpd_reject_footer, or what smtpd_reject_footer_maps has for that reply (postconf(5))."""

import contextlib
import time

from gatepost.lookup.port import LookupFailure
from gatepost.mail.expansion_filter import passed
from gatepost.proto.smtp.replies import ServerReply, wire, with_footer
from gatepost.receive.session_state import SessionState


async def footed(state: SessionState, reply: ServerReply) -> bytes:
    """The lines of a refusal, with its footer."""
    find = state.ports.lookups.footer
    footer = state.settings.smtpd_reject_footer
    if find is not None:
        with contextlib.suppress(LookupFailure):  # the log has it; the refusal is what counts
            footer = await find(reply.line) or footer
    return with_footer(reply, footer, _macros(state)) if footer else wire(reply)


def _macros(state: SessionState) -> dict[str, str]:
    """What a footer may name: of sender and recipients those that were taken, as in Postfix, and of these the first."""
    facts, settings, transaction = state.facts, state.settings, state.transaction
    recipients = () if transaction is None else transaction.recipients
    macros = {
        "client": facts.client,
        "client_address": facts.client_address,
        "client_name": facts.client_name,
        "client_port": facts.client_port,
        "helo_name": facts.helo_name or "",
        "localtime": time.strftime("%b %d %H:%M:%S", time.localtime(state.ports.clock())),
        "recipient": recipients[0].address if recipients else "",
        "sender": "" if transaction is None else transaction.sender.address or "<>",
        "server_name": settings.myhostname,
    }
    return {name: passed(value, settings.smtpd_expansion_filter) for name, value in macros.items()}
