"""What a client hears in place of a refusal: smtpd_reject_filter_maps (postconf(5)). The log keeps what was decided."""

import re
from typing import Final

from gatepost.lookup.port import LookupFailure
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive.session_state import SessionState

_REFUSAL: Final = re.compile(r"([45]\d\d) ([45]\.\d{1,3}\.\d{1,3}) (\S.*)", re.ASCII | re.DOTALL)


async def replaced(state: SessionState, reply: ServerReply) -> ServerReply:
    """The refusal to say. A table can make no acceptance of it: what it has for the reply's line is a refusal, with an enhanced
    status code of the same class, else the log tells of it and the reply stays. So it does where the table cannot answer."""
    find = state.ports.lookups.reject_filter
    try:
        found = await find(reply.line) if find is not None else None
    except LookupFailure:  # the log has it; the refusal is what counts
        return reply
    if found is None:
        return reply
    said = _REFUSAL.fullmatch(found)
    if said is None or said[1][0] != said[2][0]:
        state.note(f"smtpd_reject_filter_maps: not a 4xx or 5xx reply with enhanced status code: {found[:100]}", "warning")
        return reply
    return ServerReply(int(said[1]), said[2], said[3])
