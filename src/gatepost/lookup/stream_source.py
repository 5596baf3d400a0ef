"""The server of a table whose protocol is one of ours (proto/): a key becomes a question of it, and its answer a value."""

from collections.abc import Callable, Hashable, Mapping

from gatepost.config.ports import known_ports
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.sparing import Sparing
from gatepost.net.server_address import Server, parse
from gatepost.net.stream_client import Handshake, StreamClient
from gatepost.net.stream_port import StreamFailure, StreamRules
from gatepost.proto.exchange import Exchange
from gatepost.proto.table_answer import Refused, TableAnswer

Question = Callable[[str], Exchange[TableAnswer] | None]
"""Makes the question about a key; None where the server cannot have such a key."""

_NO_HANDSHAKE = Handshake()


class StreamSource:
    """One server. Tables of one type that reach it by the same rules, and log in alike, share its connections and its breaker.

    - `question`: how it is asked.
    - `probe`: a key that it is asked about to see whether it answers.
    - `handshake`: what comes first on each connection. `login`: what that depends on.
    """

    def __init__(
        self,
        opening: Opening,
        server: Server,
        rules: StreamRules,
        question: Question,
        *,
        probe: str = "gatepost-check",
        handshake: Handshake = _NO_HANDSHAKE,
        login: Hashable = None,
    ) -> None:
        self._spec = opening.spec
        self._question = question
        self._probe = probe
        self._sparing = Sparing(opening.warn, opening.clock)
        access = opening.tables.access

        def client() -> StreamClient:
            return StreamClient(server, rules, access.network, lambda news: opening.warn(str(news)), opening.spec, handshake)

        self._client = access.pool((opening.type, server, rules, login), client)

    async def find(self, key: str, owner: str) -> str | None:
        """The value. Raises StreamFailure, LookupFailure where the server says that it cannot answer."""
        first = self._question(key)
        if first is None:
            return None
        answer = await self.ask(lambda: self._question(key) or first, owner)
        return None if answer is None else answer.decode("utf-8", "surrogateescape")

    async def ask(self, make: Callable[[], Exchange[TableAnswer]], owner: str) -> bytes | None:
        """The answer to any question. Raises as `find`."""
        try:
            answer = await self._client.ask(make, owner)
        except StreamFailure as failure:
            words = f"server {self._client.server.name}: {failure.words}"
            raise StreamFailure(failure.trouble, words, number=failure.number, heard=failure.heard) from None
        if isinstance(answer, Refused):
            words = f"server {self._client.server.name} cannot answer: {answer.text}"
            self._sparing.warn(answer.text, f"{self._spec}: {words}")
            raise LookupFailure(self._spec, words)
        return answer

    async def probe(self) -> Mapping[str, str]:
        try:
            await self.find(self._probe, "")
        except LookupFailure as failure:
            return {self._client.server.name: failure.why}
        except StreamFailure as failure:
            return {self._client.server.name: failure.words}
        return {}

    def close(self) -> None:
        self._client.close()


def server_of(text: str, access: ServerAccess) -> Server:
    """The server that `inet:HOST:PORT` or `unix:PATH` means, by main.cf's queue_directory and known_tcp_ports. Raises
    ValueError."""
    main = access.configuration
    directory, ports = (main.value("queue_directory"), main.value("known_tcp_ports")) if main is not None else ("/", "")
    return parse(text, directory, known_ports(ports))
