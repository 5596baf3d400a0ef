"""Small messages for Maildirs: what comes while the agent is busy with others goes to it together, and is synced together."""

import asyncio

from gatepost.deliver.mailbox import Mailbox
from gatepost.deliver.privileged import AgentClient, Answer, Failed, Letter

SMALL = 65536
"""Octets of a content that may be sent as a letter."""

_TOGETHER = 64  # letters; with the largest contents they still fit into a record
_PATIENCE = 0.1  # seconds after which the next letters wait no longer: some file system hangs, and it need not be theirs


class MaildirBatches:
    """`deliver` each; the agent answers each."""

    def __init__(self, agent: AgentClient) -> None:
        self._agent = agent
        self._waiting: list[tuple[Letter, asyncio.Future[Answer]]] = []
        self._carrier: asyncio.Task[None] | None = None
        self._errands: set[asyncio.Task[None]] = set()

    async def deliver(self, box: Mailbox, content: bytes) -> Answer:
        """Write `content` into the Maildir `box`. Raises ValueError for a path that cannot be sent: it must not spoil a batch."""
        box.path.encode()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((Letter(box, content), answer))
        if self._carrier is None:
            self._carrier = asyncio.create_task(self._carry())
        return await answer

    async def _carry(self) -> None:
        """Send whatever waits, one batch after the other."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            errand = asyncio.create_task(self._send(batch))
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)
            await asyncio.wait((errand,), timeout=_PATIENCE)
        self._carrier = None

    async def _send(self, batch: list[tuple[Letter, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._agent.deliver(tuple(letter for letter, _ in batch))
        except Exception as error:  # whatever it is, those who wait must hear of it: nothing else ends their waiting
            answers = [Failed("4.3.0", f"mail system agent: {error!r}")] * len(batch)
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if not waiting.done():
                waiting.set_result(answer)
