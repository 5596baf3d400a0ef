"""Partitions and their files when something is in the way: nothing waits that need not, nothing that is stored is called lost."""

import asyncio
import sqlite3
import time
from pathlib import Path

from tests.support.notes import is_note, text_of

from gatepost.events.maillog import severity
from gatepost.events.records import Event, Note
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import sent
from gatepost.mail.queue_id import QueueId
from gatepost.queue import inspect, schema
from gatepost.queue.contents import INLINE
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import NewMessage, Settlement, Status

ENVELOPE = Envelope("a@client.test", (Recipient("b@remote.test", "b@remote.test"),))


async def put(partitions: Partitions, size: int = 10) -> QueueId:
    content = MemoryContent(b"x" * size)
    message = NewMessage(partitions.new_id(), ENVELOPE, content, content.size)
    await partitions.put(message)
    return message.id


async def wait_until(partitions: Partitions, identity: QueueId, live: int) -> None:
    async with asyncio.timeout(5):
        while await partitions.live(identity) != live:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_a_file_that_cannot_be_removed_fails_nobody(tmp_path: Path) -> None:
    events: list[Event] = []

    async def scenario() -> None:
        partitions = Partitions(tmp_path, emit=events.append)
        large = await put(partitions, INLINE + 1)
        file = partitions.home.directory / schema.CONTENT / str(large.key)
        file.unlink()
        file.mkdir()  # what unlink(2) does not remove
        partitions.settle([Settlement(large, 0, Status.DELIVERED, sent("ok"))])
        await put(partitions)  # in the commit that would remove it
        await wait_until(partitions, large, 0)
        assert [message.id.key != large.key for message in inspect.messages(tmp_path)] == [True]
        partitions.close()
        again = Partitions(tmp_path, emit=events.append)
        assert again.home.partition == 1
        again.close()
        await asyncio.sleep(0)

    asyncio.run(scenario())
    warnings = [text_of(event) for event in events if is_note(event) and severity(event) == "warning"]
    assert len(warnings) == 2  # when it was delivered, and when the partition was opened again
    assert all(text.startswith("queue file ") and " not removed: " in text for text in warnings)


def test_a_partition_that_a_tool_has_locked_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = Partitions(tmp_path, emit=lambda event: None)
        second = Partitions(tmp_path, emit=lambda event: None)
        await put(first)
        first.close()
        tool = sqlite3.connect(tmp_path / schema.STORE / "1" / schema.DATABASE, isolation_level=None)
        tool.execute("BEGIN IMMEDIATE")
        adopting = asyncio.create_task(second.adopt())
        longest, last = 0.0, time.monotonic()
        for _ in range(30):
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert not adopting.done()
        assert longest < 0.25
        tool.execute("COMMIT")
        tool.close()
        await asyncio.wait_for(adopting, 5)
        assert [store.partition for store in second.stores()] == [2, 1]
        second.close()

    asyncio.run(scenario())


def test_a_look_at_the_partitions_that_fails_costs_that_look_only(tmp_path: Path) -> None:
    events: list[Event] = []

    async def scenario() -> None:
        partitions = Partitions(tmp_path, emit=events.append)
        store = tmp_path / schema.STORE
        store.rename(tmp_path / "elsewhere")
        store.write_text("no directory")
        running = asyncio.create_task(partitions.run())
        async with asyncio.timeout(5):
            while not events:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        partitions.close()

    asyncio.run(scenario())
    assert isinstance(events[0], Note)
    assert events[0].text.startswith("queue partitions not looked at: ")
