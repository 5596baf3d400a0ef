"""What every Store (queue/port.py) promises: the partitions, one partition alone, and the fake of other rooms' tests."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.memory_store import MemoryStore

from gatepost.mail.content import FileContent, MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import bounced, deferred, sent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import IN_HAND, NewMessage, Settlement, Status
from gatepost.queue.store import SqliteStore

SETTLED = [status for status in Status if status not in (*IN_HAND, Status.REQUEUED)]
"""All but what a worker takes in hand and what a tool writes."""
LIVE = (Status.QUEUED, Status.HELD, Status.ACTIVE)
OUTCOMES = {Status.DELIVERED: sent("ok"), Status.BOUNCED: bounced("no"), Status.QUEUED: deferred("later")}


def _one_partition(directory: Path) -> Any:
    (directory / "store" / "1").mkdir(parents=True, exist_ok=True)
    return SqliteStore(directory / "store" / "1", 1, emit=lambda event: None)


MADE: dict[str, Callable[[Path], Any]] = {
    "in memory": lambda directory: MemoryStore(),
    "one partition": _one_partition,
    "partitions": lambda directory: Partitions(directory, emit=lambda event: None),
}
LASTING = [name for name in MADE if name != "in memory"]
every_store = pytest.mark.parametrize("kind", MADE)


def play(kind: str, directory: Path, scene: Callable[[Any], Awaitable[object]]) -> None:
    """Run a scene with a store that is closed in the end."""

    async def whole() -> None:
        store = MADE[kind](directory)
        try:
            await scene(store)
        finally:
            if kind in LASTING:
                store.close()

    asyncio.run(whole())


def message(store: Any, recipients: int = 2, **envelope: Any) -> NewMessage:
    to = tuple(Recipient(f"{n}@d.test") for n in range(recipients))
    return NewMessage(store.new_id(), Envelope("a@b.test", to, **envelope), MemoryContent(b"x\r\n"), 3)


def settled(identity: QueueId, index: int, status: Status) -> Settlement:
    return Settlement(identity, index, status, OUTCOMES.get(status, deferred("later")), due=5.0)


@every_store
def test_ids_are_unique_and_increase(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        ids = [store.new_id() for _ in range(100)]
        assert ids == sorted(set(ids))
        assert len({one.partition for one in ids}) == 1

    play(kind, tmp_path, scene)


@every_store
def test_what_is_put_is_live_and_what_is_not_put_is_not(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        one, other = message(store), message(store, 3)
        await store.put(one)
        assert (await store.live(one.id), await store.live(other.id)) == (2, 0)
        await store.put(other)
        assert (await store.live(one.id), await store.live(other.id)) == (2, 3)

    play(kind, tmp_path, scene)


@every_store
@pytest.mark.parametrize("status", SETTLED)
def test_a_status_counts_as_live_or_not(kind: str, status: Status, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        one = message(store)
        await store.put(one)
        store.settle((settled(one.id, 1, status),))
        assert await store.live(one.id) == 1 + (status in LIVE)

    play(kind, tmp_path, scene)


@every_store
def test_a_message_on_hold_is_live(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        one = message(store, hold=True)
        await store.put(one)
        assert await store.live(one.id) == 2

    play(kind, tmp_path, scene)


@every_store
def test_nothing_is_settled_by_no_settlements(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        one = message(store)
        await store.put(one)
        store.settle(())
        assert await store.live(one.id) == 2

    play(kind, tmp_path, scene)


@every_store
def test_a_put_that_fails_leaves_nothing_and_the_next_one_succeeds(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        lost = message(store)
        if kind == "in memory":
            store.broken = True
        else:  # a content that is gone: what a file system that fails looks like
            lost = NewMessage(lost.id, lost.envelope, FileContent(tmp_path / "gone", 1 << 20), 1 << 20)
        with pytest.raises(QueueUnavailable):
            await store.put(lost)
        if kind == "in memory":
            store.broken = False
        kept = message(store)
        await store.put(kept)
        assert (await store.live(lost.id), await store.live(kept.id)) == (0, 2)

    play(kind, tmp_path, scene)


Steps = Sequence[tuple[int, int, Status]]
"""Settlements, one after the other: number of the message, index of the recipient."""
steps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from(list(OUTCOMES))), max_size=12)


@every_store
@settings(max_examples=15, deadline=None)
@given(asked=steps)
def test_a_question_sees_every_settlement_made_before_it(kind: str, asked: Steps) -> None:
    """In their order; a recipient that is done stays so."""

    async def scene(store: Any) -> None:
        messages = [message(store) for _ in range(3)]
        for one in messages:
            await store.put(one)
        live = {(number, index) for number in range(3) for index in range(2)}
        for number, index, status in asked:
            if (number, index) not in live:
                continue  # nobody settles twice
            store.settle((settled(messages[number].id, index, status),))
            if status not in LIVE:
                live.discard((number, index))
            assert await store.live(messages[number].id) == sum(one == number for one, _ in live)

    with tempfile.TemporaryDirectory() as directory:
        play(kind, Path(directory), scene)


@pytest.mark.parametrize("kind", LASTING)
def test_what_was_put_and_settled_is_so_after_the_store_was_opened_again(kind: str, tmp_path: Path) -> None:
    known: list[QueueId] = []

    async def before(store: Any) -> None:
        for _ in range(2):
            one = message(store)
            await store.put(one)
            known.append(one.id)
        store.settle((settled(known[0], 0, Status.DELIVERED),))
        store.settle((settled(known[1], 0, Status.BOUNCED), settled(known[1], 1, Status.DELIVERED)))

    async def after(store: Any) -> None:
        assert [await store.live(one) for one in known] == [1, 0]
        assert store.new_id() > max(known)

    play(kind, tmp_path, before)
    play(kind, tmp_path, after)
