"""A spamd in the place of our own scanner (filter_spam_scanner = spamd:HOST:PORT): what it says, as facts.

It tells its score and which rules hit, not what each of them weighs. It is asked for the preferences of nobody in particular.
"""

from gatepost.filter.facts import Facts, Request, ScoredHit
from gatepost.filter.scanning import ScanFailed
from gatepost.mail.content import Content
from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import StreamFailure
from gatepost.proto.spamd import Symbols


class SpamdScanning:
    """The Scanning port over a spamd. `client`: of its server, which sets the time limits."""

    def __init__(self, client: StreamClient) -> None:
        self._client = client

    async def scan(self, request: Request, content: Content) -> Facts:
        """The facts of a message. Raises ScanFailed, OSError where the message cannot be read."""
        if not request.spam:
            return Facts()
        try:
            answer = await self._client.ask(lambda: Symbols(content.chunks, content.size), request.session.client_address)
        except StreamFailure as failure:
            raise ScanFailed(f"spamd {self._client.server.name}: {failure}") from None
        return Facts(hits=tuple(ScoredHit(rule) for rule in sorted(answer.rules)), score=answer.score)
