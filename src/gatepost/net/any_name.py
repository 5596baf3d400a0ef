"""Names that are in the DNS and are no host names (`user+tag.domain`): c-ares refuses to ask for them, so they are asked here.

SPF makes such names of addresses (RFC 7208 §7). Postfix asks for host names only, and so does everybody else here.

Contract: an answer is not kept; at most CROWD's questions are under way, of which one client has its share and no more: servers
that do not answer cost the client who named them his own time. A question goes to each name server in turn, and by TCP where the
answer is too long for UDP.
Failure: NotFound where a name server says so, TryAgain for all else.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from gatepost.net.answers import Around
from gatepost.net.dns import RECORDS_LIMIT
from gatepost.net.dns_exchange import exchange
from gatepost.net.fair_slots import FairSlots
from gatepost.net.port import MX, Answer, AnswerSource, NotFound, TryAgain
from gatepost.net.stream_port import Crowd, StreamFailure
from gatepost.proto import dns_message
from gatepost.proto.dns_message import BadReply, Reply

_KNOWN = re.compile(r"[A-Za-z0-9_./*-]*\Z", re.ASCII)
"""What c-ares lets a name be made of."""
CROWD: Final = Crowd(connections=50, share=5, waiting=1000)
"""Questions of all clients, and of one."""
_PORT: Final = 53


class AnyNameResolver(Around):
    """The answers of `source`, and those to names that it cannot ask for. `nameservers`: theirs, as `address:port`; `patience`:
    seconds for each of them; `rounds`: how often they are asked in turn. `of` makes the one that asks for a client."""

    def __init__(
        self, source: AnswerSource, nameservers: Callable[[], Sequence[str]], *, patience: float = 5.0, rounds: int = 2
    ) -> None:
        super().__init__(source)
        self._nameservers = nameservers
        self._patience = patience
        self._rounds = rounds
        self._slots = FairSlots(CROWD)

    def of(self, client: str) -> AnswerSource:
        """The same, where its questions count for a client, whatever names him."""
        return _OfClient(self, client)

    async def answer(self, name: str, record: str, client: str = "") -> Answer:
        if _KNOWN.match(name) or record not in dns_message.TYPES:
            return await self._source.answer(name, record)
        try:
            asked = dns_message.question(secrets.randbelow(1 << 16), name, record)
        except ValueError:
            raise NotFound(name, record, "not a name", exists=False) from None
        reply = await self._in_turn(asked, name, record, client)
        found = reply.found(name, record)[:RECORDS_LIMIT]
        if not found:
            exists = reply.code == dns_message.NO_ERROR
            raise NotFound(name, record, "no data" if exists else "no such name", exists=exists)
        values = tuple(MX(*one.value) if isinstance(one.value, tuple) else one.value for one in found)
        return Answer(values, found[0].owner, found[0].ttl, 0.0)

    async def _in_turn(self, asked: bytes, name: str, record: str, client: str) -> Reply:
        """The reply, once it is this client's turn. Raises TryAgain."""
        try:
            await self._slots.take(client)
        except StreamFailure:
            raise TryAgain(name, record, "too many questions are waiting") from None
        try:
            return await self._ask(asked, name, record)
        finally:
            self._slots.give(client)

    async def _ask(self, asked: bytes, name: str, record: str) -> Reply:
        """The first reply that says something. Raises TryAgain."""
        why = "no name server"
        for server in [*self._nameservers()] * self._rounds:
            try:
                reply = dns_message.read(await exchange(asked, _endpoint(server), self._patience), asked)
            except (OSError, EOFError, BadReply) as error:
                why = str(error) or "time-out"
            else:
                if reply.code in (dns_message.NO_ERROR, dns_message.NO_SUCH_NAME):
                    return reply
                why = f"the name server says {reply.code}"
        raise TryAgain(name, record, why)


class _OfClient(Around):
    """What asks for one client."""

    def __init__(self, source: AnyNameResolver, client: str) -> None:
        super().__init__(source)
        self._any_name = source
        self._client = client

    async def answer(self, name: str, record: str) -> Answer:
        return await self._any_name.answer(name, record, self._client)


def _endpoint(server: str) -> tuple[str, int]:
    """`address`, `address:port` or `[address]:port`."""
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        return host, int(port.removeprefix(":") or _PORT)
    if server.count(":") > 1:
        return server, _PORT
    host, _, port = server.partition(":")
    return host, int(port or _PORT)
