"""What a store promises of mail that waits: claimed when due, shelved, hastened, held, released, deleted, requeued, forgotten."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.queue.test_store_contract import LASTING, MADE, message

from gatepost.mail.outcome import deferred, sent
from gatepost.mail.queue_id import QueueId
from gatepost.queue import actions
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import Settlement, Status
from gatepost.queue.transaction import WARNED, Claim

SITE, OTHER = "smtp\nd.test", "smtp\ne.test"
LATE = 1e12
"""Seconds since 1970 by which all that waits is due."""
every_store = pytest.mark.parametrize("kind", LASTING)


class Waiting:
    """A store, with questions in few words."""

    def __init__(self, whole: Any, directory: Path) -> None:
        self.whole = whole
        self.directory = directory
        self.store = whole.home if isinstance(whole, Partitions) else whole

    async def put(self, recipients: int = 2, **envelope: Any) -> QueueId:
        one = message(self.store, recipients, **envelope)
        await self.store.put(one)
        return one.id

    async def deferred(self, recipients: int = 2, due: float = 5.0, site: str = SITE) -> QueueId:
        """A message that was tried in vain, and is no longer in anybody's hands."""
        identity = await self.put(recipients)
        self.store.settle([Settlement(identity, n, Status.QUEUED, deferred("later"), due, site=site) for n in range(recipients)])
        self.store.shelve(identity, range(3), site)
        return identity

    async def claimed(
        self, now: float = LATE, limit: int = 100, per_site: int = 100, skip: Sequence[str] = ()
    ) -> dict[QueueId, int]:
        """Which messages are claimed, with how many recipients."""
        found = await self.store.claim(Claim(now, limit, per_site, skip, ""))
        return {one.id: len(one.recipients) for one in found.messages}

    async def fresh(self) -> dict[QueueId, int]:
        found = await self.store.claim_fresh(Claim(LATE, 100, 100, (), ""))
        return {one.id: len(one.recipients) for one in found.messages}

    async def by_tool(self, action: actions.Action, *ids: QueueId, **more: Any) -> tuple[list[QueueId], list[QueueId]]:
        """What a tool, another process, does to the queue."""
        for one in ids:
            await self.store.live(one)  # all that was settled before is written
        return actions.by_ids(self.directory, action, ids, **more)


def play(kind: str, directory: Path, scene: Callable[[Waiting], Awaitable[object]]) -> None:
    async def whole() -> None:
        store = MADE[kind](directory)
        try:
            await scene(Waiting(store, directory))
        finally:
            store.close()

    asyncio.run(whole())


@every_store
def test_what_is_due_is_claimed_once(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        soon, later = await queue.deferred(due=5.0), await queue.deferred(due=50.0)
        assert await queue.claimed(now=4.0) == {}
        assert await queue.claimed(now=5.0) == {soon: 2}
        assert await queue.claimed(now=49.0) == {}
        assert await queue.claimed(now=50.0) == {later: 2}
        assert await queue.claimed() == {}

    play(kind, tmp_path, scene)


@every_store
def test_a_claim_has_limits(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        for site in (SITE, OTHER):
            for _ in range(3):
                await queue.deferred(1, site=site)
        assert len(await queue.claimed(per_site=1)) == 2
        assert len(await queue.claimed(skip=[SITE])) == 2
        assert len(await queue.claimed(limit=1)) == 1
        assert len(await queue.claimed()) == 1

    play(kind, tmp_path, scene)


@every_store
def test_what_is_done_is_not_claimed_with_the_rest(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        identity = await queue.put(3)
        later = [Settlement(identity, n, Status.QUEUED, deferred("later"), 5.0, site=SITE) for n in (0, 2)]
        queue.store.settle([Settlement(identity, 1, Status.DELIVERED, sent("ok")), *later])
        queue.store.shelve(identity, range(3), SITE)
        assert await queue.claimed() == {identity: 2}

    play(kind, tmp_path, scene)


@every_store
def test_what_is_shelved_untried_is_fresh(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        identity = await queue.put()
        assert await queue.fresh() == {}  # it is in the hands of whoever has put it
        queue.store.shelve(identity, range(3))
        assert await queue.fresh() == {identity: 2}
        assert await queue.fresh() == {}

    play(kind, tmp_path, scene)


@every_store
def test_hastened_mail_is_due_at_once(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        ids = [await queue.deferred(due=LATE) for _ in range(3)]
        held = await queue.deferred(due=LATE)
        await queue.by_tool(actions.HOLD, held)
        assert await queue.claimed(now=10.0) == {}
        await queue.whole.hasten()
        assert await queue.claimed(now=10.0) == dict.fromkeys(ids, 2)

    play(kind, tmp_path, scene)


@every_store
def test_mail_on_hold_waits_until_it_is_released(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        identity = await queue.deferred()
        assert await queue.by_tool(actions.HOLD, identity) == ([identity], [])
        assert await queue.by_tool(actions.HOLD, identity) == ([], [identity])
        assert (await queue.claimed(), await queue.store.live(identity)) == ({}, 2)
        assert await queue.by_tool(actions.RELEASE, identity, due=7.0) == ([identity], [])
        assert await queue.claimed(now=6.0) == {}
        assert await queue.claimed(now=7.0) == {identity: 2}

    play(kind, tmp_path, scene)


@every_store
def test_what_is_put_on_hold_is_not_fresh(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        identity = await queue.put(hold=True)
        assert await queue.fresh() == {}
        await queue.by_tool(actions.RELEASE, identity, due=7.0)
        assert await queue.fresh() == {identity: 2}

    play(kind, tmp_path, scene)


@every_store
def test_a_deleted_message_is_gone_whatever_its_deliverer_says_later(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        waiting, active = await queue.deferred(), await queue.put()
        assert await queue.by_tool(actions.DELETE, waiting, active, by="root", now=6.0) == ([waiting, active], [])
        queue.store.settle([Settlement(active, 0, Status.QUEUED, deferred("later"), 5.0, site=SITE)])
        queue.store.shelve(active, range(3), SITE)
        assert (await queue.claimed(), await queue.fresh()) == ({}, {})
        assert [await queue.store.live(one) for one in (waiting, active)] == [0, 0]
        assert await queue.by_tool(actions.DELETE, waiting) == ([], [waiting])

    play(kind, tmp_path, scene)


@every_store
def test_requeued_mail_is_for_whoever_takes_it_in_anew(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        ids = [await queue.deferred(), await queue.deferred()]
        await queue.by_tool(actions.REQUEUE, *ids)
        assert await queue.claimed() == {}
        first = await queue.store.requeued(0, 1)
        rest = await queue.store.requeued(first.messages[0].id.key, 10)
        assert [one.id for one in (*first.messages, *rest.messages)] == ids
        assert [len(one.recipients) for one in (*first.messages, *rest.messages)] == [2, 2]

    play(kind, tmp_path, scene)


@every_store
def test_only_what_is_old_and_done_is_forgotten(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        done, waiting = await queue.put(), await queue.deferred()
        queue.store.settle([Settlement(done, n, Status.DELIVERED, sent("ok")) for n in range(2)])
        await queue.store.live(done)
        await queue.store.purge(0.0, 100)  # nothing is as old as that
        await queue.by_tool(actions.HOLD, waiting)
        await queue.store.purge(LATE, 100)
        await queue.by_tool(actions.RELEASE, waiting, due=7.0)
        assert await queue.claimed(now=7.0) == {waiting: 2}
        queue.store.settle([Settlement(waiting, n, Status.DELIVERED, sent("ok")) for n in range(2)])
        await queue.store.live(waiting)
        assert await queue.store.leave()

    play(kind, tmp_path, scene)


@every_store
def test_a_mark_comes_back_with_the_message(kind: str, tmp_path: Path) -> None:
    async def scene(queue: Waiting) -> None:
        identity = await queue.deferred()
        await queue.whole.mark(identity, WARNED)
        (found,) = (await queue.store.claim(Claim(LATE, 1, 1, (), ""))).messages
        assert found.warned

    play(kind, tmp_path, scene)


_DEEDS = st.lists(
    st.tuples(st.sampled_from(["hold", "release", "hasten", "claim", "defer", "deliver"]), st.integers(0, 2)), max_size=10
)


@every_store
@settings(max_examples=15, deadline=None)
@given(deeds=_DEEDS)
def test_nobody_has_a_message_twice_and_none_is_lost(kind: str, deeds: Sequence[tuple[str, int]]) -> None:
    """Whatever tools and the scheduler do: what is claimed is in one hand; in the end all that was not delivered can be claimed."""
    import tempfile

    async def scene(queue: Waiting) -> None:
        ids = [await queue.deferred(1) for _ in range(3)]
        in_hand, delivered = set[QueueId](), set[QueueId]()
        for deed, number in deeds:
            one = ids[number]
            if deed == "claim":
                found = set(await queue.claimed())
                assert not found & (in_hand | delivered)
                in_hand |= found
            elif deed == "hasten":
                await queue.whole.hasten()
            elif deed in ("hold", "release"):
                if one not in in_hand:
                    await queue.by_tool(actions.HOLD if deed == "hold" else actions.RELEASE, one)
            elif one in in_hand:
                in_hand.discard(one)
                done = deed == "deliver"
                outcome = sent("ok") if done else deferred("later")
                status = Status.DELIVERED if done else Status.QUEUED
                queue.store.settle([Settlement(one, 0, status, outcome, 5.0, site=SITE)])
                queue.store.shelve(one, range(3), SITE)
                delivered |= {one} if done else set()
        await queue.by_tool(actions.RELEASE, *ids)
        assert set(await queue.claimed()) == set(ids) - in_hand - delivered

    with tempfile.TemporaryDirectory() as directory:
        play(kind, Path(directory), scene)
