"""What follows a refusal: smtpd_reject_footer, or what smtpd_reject_footer_maps has for that reply (postconf(5))."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from gatepost.lookup.port import LookupFailure
from gatepost.proto.smtp import replies

if TYPE_CHECKING:
    from gatepost.receive.session import Session


class Waiting(Struct, frozen=True):
    """A reply that waits until its footer is looked up. `repeats`: how often it is said; `macros`: those of its moment."""

    text: str
    repeats: int
    macros: Mapping[str, str]


def footer_macros(session: "Session") -> dict[str, str]:
    """What a footer may name."""
    facts = session.facts
    return {
        "client": facts.client,
        "client_address": facts.client_address,
        "client_name": facts.client_name,
        "client_port": facts.client_port,
        "helo_name": facts.helo_name or "",
        "localtime": time.strftime("%b %d %H:%M:%S", time.localtime(session.service.clock())),
        "recipient": facts.recipient or "",
        "sender": facts.sender or "",
        "server_name": session.settings.myhostname,
    }


async def footed(session: "Session", waiting: Waiting) -> bytes:
    """The lines of a reply, with its footer where it is a refusal."""
    if waiting.text[0] not in "45":
        return replies.wire(waiting.text) * waiting.repeats
    footer = await _looked_up(session, waiting.text) or session.settings.smtpd_reject_footer
    return replies.with_footer(waiting.text, footer, waiting.macros) * waiting.repeats


async def _looked_up(session: "Session", text: str) -> str | None:
    """What the tables have for a reply; nothing where they cannot answer, which the log has then."""
    find = session.service.surroundings.footer
    try:
        return None if find is None else await find(text)
    except LookupFailure:
        return None
