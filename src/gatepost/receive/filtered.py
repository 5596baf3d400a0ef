"""A session's dealings with the before-queue filter of its service: who the client is, and what comes of the filter's answer."""

from msgspec import structs

from gatepost.events.notes import ProxyAnswered
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive.answer import Answer, Tally
from gatepost.receive.peer import UNKNOWN
from gatepost.receive.proxy_filter import FAILED, Client, Passage
from gatepost.receive.session_state import SessionState
from gatepost.receive.transaction import Effect, as_client


def client_of(state: SessionState, context: str) -> Client:
    """Who the filter is told that the client is. `context`: `local` or `remote`, whose mail it is where headers are rewritten."""
    client = as_client(state.facts, state.forwarded)
    address = "" if client.address == UNKNOWN else client.address
    return Client(
        state.facts.client_address,
        {
            "NAME": _known(client.name),
            "ADDR": f"IPv6:{address}" if ":" in address else address,
            "PORT": _known(client.port),
            "HELO": client.helo,
            "IDENT": client.ident,
            "PROTO": _known(client.proto),
            "SOURCE": context.upper(),
        },
    )


def _known(word: str) -> str:
    return "" if word == UNKNOWN else word


def turned_away(refusal: ServerReply, effect: Effect | None = None) -> Answer:
    """What the filter does not want; the log has it by now."""
    return Answer(refusal, Tally.ERROR, "resource" if refusal is FAILED else "policy", effect=effect)


async def answer_of(state: SessionState, passage: Passage, recipient: str) -> Answer:
    """The message is complete: what the filter says of it is the answer. `recipient`: the first, whom the log names."""
    verdict = await passage.finish()
    state.facts.recipient = recipient
    told = state.judged("", "")
    event = ProxyAnswered("smtpd", "accept" if verdict.taken else "reject", told.where, verdict.logged, told.context)
    if verdict.taken:
        return Answer(verdict.reply, Tally.MESSAGE, log=(event,))
    return structs.replace(turned_away(verdict.reply), log=(event,))
