"""`socketmap:inet:HOST:PORT:NAME`, `socketmap:unix:PATH:NAME`: table NAME of a server of sendmail's protocol (socketmap_table(5)).
It is asked about whole keys only."""

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure, Unavailable
from gatepost.lookup.server_table import ServerTable
from gatepost.lookup.stream_source import StreamSource, server_of
from gatepost.net.stream_port import AnswerLimit
from gatepost.proto.socketmap import SocketmapQuery

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
    limits = access.limits
    longest = limits.socketmap_max_reply_size

    def question(key: str) -> SocketmapQuery:
        query = f"{name} {key}".encode()
        if len(query) > limits.socketmap_max_query_size:
            raise LookupFailure(opening.spec, "a question longer than socketmap_max_query_size")
        return SocketmapQuery(query, longest)

    rules = access.rules(limits.helper_lookup_timeout, answer=AnswerLimit(longest + _AROUND))
    source = StreamSource(opening, server, rules, question)
    return ServerTable(opening, source, whole_key=True)
