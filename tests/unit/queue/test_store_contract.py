"""What every Store (queue/port.py) promises, the fake for other rooms' tests included."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.memory_store import MemoryStore

from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import deferred, sent
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import NewMessage, Settlement, Status


def make(kind: str, directory: Path) -> Any:
    return MemoryStore() if kind == "memory" else Partitions(directory, emit=lambda event: None)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_contract(kind: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        store = make(kind, tmp_path)
        ids = [store.new_id() for _ in range(100)]
        assert ids == sorted(set(ids))
        envelope = Envelope("a@b.test", (Recipient("c@d.test"), Recipient("e@f.test")))
        message = NewMessage(ids[0], envelope, MemoryContent(b"x\r\n"), 2)
        await store.put(message)
        assert await store.live(message.id) == 2
        store.settle((Settlement(message.id, 0, Status.DELIVERED, sent("ok")),))
        store.settle((Settlement(message.id, 1, Status.QUEUED, deferred("later"), due=5.0),))
        assert await store.live(message.id) == 1
        store.settle((Settlement(message.id, 1, Status.EXPIRED, deferred("later")),))
        assert await store.live(message.id) == 0
        if kind == "sqlite":
            store.close()

    asyncio.run(scenario())
