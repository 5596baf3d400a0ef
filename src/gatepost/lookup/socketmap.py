"""`socketmap:inet:HOST:PORT:NAME`, `socketmap:unix:PATH:NAME`: table NAME of a server of sendmail's protocol (socketmap_table(5)).
It is asked about whole keys only."""

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.lookup.server_table import ServerTable
from gatepost.lookup.stream_source import StreamSource, server_of
from gatepost.net.stream_port import AnswerLimit
from gatepost.proto.socketmap import ANSWER_LIMIT, SocketmapQuery

_AROUND = 16
"""Octets of a netstring around its text, at most."""


def open_table(opening: Opening) -> ServerTable:
    """Raises Unavailable where the name has no server or no table in it."""
    access = opening.tables.access
    where, _, name = opening.name.rpartition(":")
    try:
        if not name:
            raise ValueError("no name of a table behind the server")
        server = server_of(where, access)
    except ValueError as problem:
        told = f"{opening.spec}: {problem}: write socketmap:inet:HOST:PORT:NAME or socketmap:unix:PATH:NAME"
        raise Unavailable(opening.spec, told) from None
    rules = access.rules(access.limits.helper_lookup_timeout, answer=AnswerLimit(ANSWER_LIMIT + _AROUND))
    source = StreamSource(opening, server, rules, lambda key: SocketmapQuery(name.encode(), key.encode()))
    return ServerTable(opening, source, whole_key=True)
