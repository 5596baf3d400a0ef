"""A queue partition in memory: a verified fake (the contract tests of the queue run on it too) for tests of other rooms."""

import itertools
from collections.abc import Sequence

from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue.port import NewMessage, Settlement, Status


class MemoryStore:
    """Keeps what is put and how recipients were settled. `broken`: `put` raises QueueUnavailable, as on a full disk."""

    def __init__(self, partition: int = 1, first_key: int = 1_800_000_000_000_000) -> None:
        self.messages: dict[QueueId, NewMessage] = {}
        self.states: dict[tuple[QueueId, int], Status] = {}
        self.settled: list[Settlement] = []
        self.broken = False
        self._keys = itertools.count(first_key)
        self._partition = partition

    def new_id(self) -> QueueId:
        return QueueId(next(self._keys), self._partition)

    async def put(self, message: NewMessage) -> None:
        if self.broken:
            raise QueueUnavailable("the fake was told to be broken")
        self.messages[message.id] = message
        status = Status.HELD if message.envelope.hold else Status.ACTIVE
        self.states.update(((message.id, index), status) for index in range(len(message.envelope.recipients)))

    def settle(self, settlements: Sequence[Settlement]) -> None:
        self.settled.extend(settlements)
        self.states.update(((s.id, s.index), s.status) for s in settlements)

    async def live(self, identity: QueueId) -> int:
        """How many recipients of the message are not done."""
        live = (Status.QUEUED, Status.HELD, Status.ACTIVE)
        return sum(key[0] == identity and status in live for key, status in self.states.items())
