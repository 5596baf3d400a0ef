"""`tcp:HOST:PORT`: a table behind a server of a simple protocol of lines (tcp_table(5)). It is asked about whole keys only."""

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.lookup.server_table import ServerTable
from gatepost.lookup.stream_source import StreamSource, server_of
from gatepost.net.stream_port import AnswerLimit
from gatepost.proto.tcp_table import LINE_LIMIT, TcpQuery, is_key


def open_table(opening: Opening) -> ServerTable:
    """Raises Unavailable where the name is no HOST:PORT."""
    access = opening.tables.access
    try:
        server = server_of(f"inet:{opening.name}", access)
    except ValueError as problem:
        raise Unavailable(opening.spec, f"{opening.spec}: {problem}: write tcp:HOST:PORT") from None
    rules = access.rules(access.limits.helper_lookup_timeout, answer=AnswerLimit(LINE_LIMIT))
    return ServerTable(opening, StreamSource(opening, server, rules, _question), whole_key=True)


def _question(key: str) -> TcpQuery | None:
    octets = key.encode()
    return TcpQuery(octets) if is_key(octets) else None
