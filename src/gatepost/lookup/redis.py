"""`redis:/file`, `redis:prefix`: values in Redis, or a server that speaks its protocol (Valkey, KeyDB). Postfix has no such table;
its parameters are in the style of memcache_table(5), and stand in docs/sql-tables.md.

A key is asked with GET; with `field_format`, a field of a hash with HGET.
"""

from typing import TYPE_CHECKING

from gatepost.config.tables import TABLE_PARAMETERS
from gatepost.lookup.key_format import Address, KeyFormat, divided
from gatepost.lookup.opening import Opening
from gatepost.lookup.server_parameters import TableParameters, format_of, read_parameters
from gatepost.lookup.server_table import ServerTable, domains_of
from gatepost.lookup.stream_source import StreamSource, server_of
from gatepost.net.server_address import Server
from gatepost.net.stream_client import Handshake
from gatepost.net.stream_port import AnswerLimit, Retry
from gatepost.proto.exchange import Exchange
from gatepost.proto.redis import RedisCommand, RedisLogin
from gatepost.proto.table_answer import TableAnswer

if TYPE_CHECKING:
    import ssl

_PROBE = "gatepost-check@gatepost.invalid"
_OF_A_QUERY = frozenset(("redis", "key_format", "field_format", "result_format", "domain"))
"""Parameters that say nothing of connections, or of the server alone."""

_AROUND = 1024
"""Octets of an answer that are not its value: a line before it, or an error."""


class RedisTable(ServerTable):
    """Puts a value that is found into result_format."""

    __slots__ = ("_result",)

    def __init__(self, opening: Opening, source: StreamSource, parameters: TableParameters) -> None:
        super().__init__(opening, source, domains_of(parameters, opening))
        self._result = format_of(parameters, "result_format", "%s")

    async def lookup(self, key: str) -> str | None:
        address = divided(key)
        value = await super().lookup(key) if self._result.has_key_parts(address) else None
        return self._result.expand(divided(value), address) if value else value


def open_table(opening: Opening) -> RedisTable:
    """Raises Unavailable for a mistake in the parameters."""
    parameters = read_parameters(opening)
    access = opening.tables.access
    try:
        server = server_of(parameters.text("redis") or "inet:localhost:6379", access)
    except ValueError as problem:
        raise parameters.wrong("redis", f"{problem}: write inet:HOST:PORT or unix:PATH") from None
    limit = parameters.number("data_size_limit", 10240, 1)
    rules = access.rules(
        parameters.number("timeout", 2, 1),
        answer=AnswerLimit(limit + _AROUND),
        retry=Retry(parameters.number("max_try", 2, 1), parameters.number("retry_pause", 1, 1), unreached=False),
    )
    key_format = format_of(parameters, "key_format", "%s")
    field_format = format_of(parameters, "field_format", "%s") if parameters.text("field_format") else None

    def question(key: str) -> Exchange[TableAnswer] | None:
        words = _words(divided(key), key_format, field_format)
        return RedisCommand(*words, limit=limit) if words else None

    handshake = _handshake(parameters, server)
    login = tuple(parameters.text(name) for name in sorted(TABLE_PARAMETERS["redis"] - _OF_A_QUERY))
    source = StreamSource(opening, server, rules, question, probe=_PROBE, handshake=handshake, login=login)
    return RedisTable(opening, source, parameters)


def _words(address: Address, key_format: KeyFormat, field_format: KeyFormat | None) -> tuple[bytes, ...] | None:
    """The command about a key; None where it has not the parts that are asked for."""
    key = key_format.expand(address, address)
    if key is None:
        return None
    if field_format is None:
        return b"GET", key.encode()
    field = field_format.expand(address, address)
    return None if field is None else (b"HGET", key.encode(), field.encode())


def _handshake(parameters: TableParameters, server: Server) -> Handshake:
    """What comes first on each connection, if anything."""
    user, password, database = parameters.text("user"), parameters.text("password"), parameters.number("database", 0)
    steps: list[tuple[bytes, ...]] = []
    if password:
        steps.append((b"AUTH", user.encode(), password.encode()) if user else (b"AUTH", password.encode()))
    if database:
        steps.append((b"SELECT", b"%d" % database))
    context = _context(parameters)
    name = (server.host or "localhost") if context is not None else None
    return Handshake(context=context, name=name, opening=(lambda: RedisLogin(steps, password.encode())) if steps else None)


def _context(parameters: TableParameters) -> "ssl.SSLContext | None":
    """TLS. Unlike MySQL's, a certificate is verified unless that is switched off: there are no old configurations."""
    if not parameters.boolean("tls", False):
        return None
    from gatepost.lookup.server_tls import client_context

    verify = parameters.boolean("tls_verify_cert", True)
    return client_context(parameters, verify=verify, verify_name=verify)
