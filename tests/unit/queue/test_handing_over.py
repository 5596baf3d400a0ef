"""A worker that a reload replaces hands its partitions over: what waits is the new owner's at once, what is in hand stays so."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import deferred, sent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue import actions, inspect, ownership, schema
from gatepost.queue.contents import INLINE
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import NewMessage, Settlement, Status
from gatepost.queue.salvage import CORRUPT
from gatepost.queue.transaction import Claim

NOW = 2e9


class Reload:
    """An old worker with a home, and a new one with another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.old = Partitions(directory, emit=lambda event: None)
        self.new = Partitions(directory, emit=lambda event: None)

    async def put(self, recipients: int = 1, size: int = 10) -> QueueId:
        """A message that comes to the old worker, and is in its hands."""
        envelope = Envelope("a@client.test", tuple(Recipient(f"{n}@remote.test") for n in range(recipients)))
        message = NewMessage(self.old.new_id(), envelope, MemoryContent(b"x" * size), size)
        await self.old.put(message)
        return message.id

    async def hand_over(self) -> None:
        await self.old.hand_over()
        await self.new.adopt()

    async def claimed(self, by: Partitions) -> Mapping[QueueId, list[int]]:
        """What a worker finds to do, by the indexes of recipients."""
        wanted = Claim(NOW, 100, 100, (), "")
        found = [await take(wanted) for store in by.stores() for take in (store.claim_fresh, store.claim)]
        return {m.id: [r.index for r in m.recipients] for claimed in found for m in claimed.messages}

    def settle(self, by: Partitions, identity: QueueId, index: int = 0) -> None:
        by.settle([Settlement(identity, index, Status.DELIVERED, sent("ok"))])

    def kill_the_old(self) -> None:
        """What the kernel does with one that is killed: it records nothing more, and its locks are free."""
        for store in self.old._stores.values():
            store.settle = lambda settlements: None  # type: ignore[method-assign]
        self.old.close()


def play(directory: Path, scene: Callable[[Reload], Awaitable[Any]]) -> None:
    async def whole() -> None:
        reload = Reload(directory)
        try:
            await scene(reload)
        finally:
            reload.old.close()
            reload.new.close()

    asyncio.run(whole())


def test_what_waits_goes_at_once_and_what_is_in_hand_stays(tmp_path: Path) -> None:
    async def scene(reload: Reload) -> None:
        under_way, waiting, both = [await reload.put(n) for n in (1, 1, 2)]
        reload.old.shelve(waiting, [0])
        reload.old.shelve(both, [1], "smtp\nremote.test")
        await reload.hand_over()
        assert await reload.claimed(reload.new) == {waiting: [0], both: [1]}
        assert await reload.claimed(reload.old) == {}
        reload.settle(reload.old, under_way)
        reload.settle(reload.old, both)
        reload.settle(reload.new, both, 1)
        reload.settle(reload.new, waiting)
        assert await reload.old.live(under_way) == 0
        assert await reload.new.live(waiting) == 0
        assert await reload.old.live(both) == 0

    play(tmp_path, scene)


def test_it_looks_active_to_people(tmp_path: Path) -> None:
    async def scene(reload: Reload) -> None:
        await reload.put()
        await reload.hand_over()
        assert [message.queue for message in inspect.messages(tmp_path)] == ["active"]

    play(tmp_path, scene)


def test_what_did_not_arrive_is_the_new_owners_when_it_is_due(tmp_path: Path) -> None:
    async def scene(reload: Reload) -> None:
        identity = await reload.put()
        await reload.hand_over()
        reload.old.settle([Settlement(identity, 0, Status.QUEUED, deferred("later"), NOW - 1, site="smtp\nremote.test")])
        assert await reload.old.live(identity) == 1
        assert await reload.claimed(reload.new) == {identity: [0]}

    play(tmp_path, scene)


def test_what_a_killed_one_had_in_hand_is_due(tmp_path: Path) -> None:
    async def scene(reload: Reload) -> None:
        identity = await reload.put()
        await reload.hand_over()
        await reload.new.inherit()
        assert await reload.claimed(reload.new) == {}
        reload.kill_the_old()
        await reload.new.inherit()
        assert await reload.claimed(reload.new) == {identity: [0]}
        await reload.new.inherit()
        assert await reload.claimed(reload.new) == {}

    play(tmp_path, scene)


def test_a_killed_owner_costs_the_old_one_nothing(tmp_path: Path) -> None:
    """The next owner takes over what the one before it had in hand, and not what the guest has."""

    async def scene(reload: Reload) -> None:
        under_way, waiting = await reload.put(), await reload.put()
        reload.old.shelve(waiting, [0])
        await reload.hand_over()
        assert await reload.claimed(reload.new) == {waiting: [0]}
        reload.new.close()
        reload.new = Partitions(tmp_path, emit=lambda event: None)
        await reload.new.adopt()
        assert await reload.claimed(reload.new) == {waiting: [0]}
        reload.settle(reload.old, under_way)
        assert await reload.old.live(under_way) == 0

    play(tmp_path, scene)


def test_what_sessions_still_bring_is_left_to_the_new_owner(tmp_path: Path) -> None:
    async def scene(reload: Reload) -> None:
        await reload.hand_over()
        identity = await reload.put(2, INLINE + 1)
        await reload.new.adopt()
        assert await reload.claimed(reload.new) == {}  # whoever puts it has it in hand
        reload.old.shelve(identity, range(2))
        assert await reload.old.live(identity) == 2
        assert await reload.claimed(reload.new) == {identity: [0, 1]}
        content = tmp_path / schema.STORE / str(identity.partition) / schema.CONTENT / str(identity.key)
        assert content.stat().st_size == INLINE + 1
        for index in range(2):
            reload.settle(reload.new, identity, index)
        assert await reload.new.live(identity) == 0
        reload.old.close()
        await reload.new.inherit()
        assert not content.exists()

    play(tmp_path, scene)


def test_files_of_a_guest_are_let_alone(tmp_path: Path) -> None:
    """What is staged, and what is moved and not yet committed, is about to be a message."""

    async def scene(reload: Reload) -> None:
        await reload.put()
        home = reload.old.home
        staged = reload.old.staging()
        moved = home.directory / schema.CONTENT / "1"
        await reload.old.hand_over()
        for path in (staged, moved):
            path.write_text("x")
        await reload.new.adopt()
        assert staged.exists()
        assert moved.exists()
        reload.old.close()
        await reload.new.inherit()
        assert not staged.exists()
        assert not moved.exists()

    play(tmp_path, scene)


def test_a_partition_with_a_guest_is_nobodys_home(tmp_path: Path) -> None:
    """Two that give out ids of one partition could give out the same."""

    async def scene(reload: Reload) -> None:
        await reload.old.hand_over()
        third = Partitions(tmp_path, emit=lambda event: None)
        assert third.home.partition == 3
        third.close()
        reload.old.close()
        fourth = Partitions(tmp_path, emit=lambda event: None)
        assert fourth.home.partition == 1
        fourth.close()

    play(tmp_path, scene)


def test_a_second_reload(tmp_path: Path) -> None:
    """Each of two guests keeps what it has in hand."""

    async def scene(reload: Reload) -> None:
        first, second, third = [await reload.put() for _ in range(3)]
        for identity in (second, third):
            reload.old.shelve(identity, [0])
        await reload.hand_over()
        assert await reload.claimed(reload.new) == {second: [0], third: [0]}
        reload.new.shelve(third, [0])
        newest = Partitions(tmp_path, emit=lambda event: None)
        await reload.new.hand_over()
        await newest.adopt()
        assert await reload.claimed(newest) == {third: [0]}
        reload.settle(reload.old, first)
        reload.settle(reload.new, second)
        assert await reload.old.live(first) == await reload.new.live(second) == 0
        newest.close()

    play(tmp_path, scene)


@pytest.mark.parametrize("killed", ["first", "second"])
def test_of_two_guests_one_is_killed(tmp_path: Path, killed: str) -> None:
    """What it had in hand is due at once, and what the other has is left alone."""

    async def scene(reload: Reload) -> None:
        of_first, of_second = await reload.put(), await reload.put()
        reload.old.shelve(of_second, [0])
        await reload.hand_over()
        assert await reload.claimed(reload.new) == {of_second: [0]}
        newest = Partitions(tmp_path, emit=lambda event: None)
        await reload.new.hand_over()
        await newest.adopt()
        if killed == "second":
            reload.old, reload.new = reload.new, reload.old
        reload.kill_the_old()
        await newest.inherit()
        assert await reload.claimed(newest) == {of_first if killed == "first" else of_second: [0]}
        reload.new.close()
        await newest.inherit()
        assert await reload.claimed(newest) == {of_second if killed == "first" else of_first: [0]}
        newest.close()

    play(tmp_path, scene)


def test_a_partition_that_is_left_takes_nothing_in_hand(tmp_path: Path) -> None:
    """What a guest brings in the moment in which its owner finds it empty is for the next owner."""

    async def scene(reload: Reload) -> None:
        await reload.put()
        await reload.hand_over()
        (adopted,) = [store for store in reload.new.stores() if store.partition == reload.old.home.partition]
        assert not await adopted.leave()
        for message in inspect.messages(tmp_path):
            reload.settle(reload.old, message.id)
            await reload.old.live(message.id)
        assert await adopted.leave()
        identity = await reload.put()
        reload.old.shelve(identity, [0])
        await reload.old.live(identity)
        assert await reload.claimed(reload.new) == {}
        await reload.new.release()
        await reload.new.adopt()
        assert await reload.claimed(reload.new) == {identity: [0]}

    play(tmp_path, scene)


def test_what_was_flushed_stays_so(tmp_path: Path) -> None:
    async def scene(reload: Reload) -> None:
        identity = await reload.put()
        reload.old.shelve(identity, [0])
        await reload.old.live(identity)
        actions.flush(tmp_path)
        assert await reload.claimed(reload.old) == {identity: [0]}
        await reload.hand_over()
        reload.kill_the_old()
        await reload.new.inherit()
        claimed = await reload.new.stores()[-1].claim_fresh(Claim(NOW, 100, 100, (), ""))
        assert [message.flushed for message in claimed.messages] == [True]

    play(tmp_path, scene)


def test_one_that_cannot_be_handed_over_is_kept_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: Path) -> ownership.Guest:
        raise PermissionError

    async def scene(reload: Reload) -> None:
        identity = await reload.put()
        with monkeypatch.context() as patch:
            patch.setattr(ownership, "be_guest", refuse)
            await reload.old.hand_over()
        await reload.new.adopt()
        assert [store.partition for store in reload.old.stores()] == [1]
        assert [store.partition for store in reload.new.stores()] == [2]
        caring = asyncio.create_task(reload.old.run())
        while reload.old.stores():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        caring.cancel()
        await reload.new.adopt()
        assert await reload.claimed(reload.new) == {}
        reload.settle(reload.old, identity)
        assert await reload.old.live(identity) == 0

    play(tmp_path, scene)


def _damage(connection: sqlite3.Connection) -> None:
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def test_a_guest_does_not_heal(tmp_path: Path) -> None:
    """Two that set a damaged database aside would take each other's away."""

    async def scene(reload: Reload) -> None:
        identity = await reload.put()
        await reload.hand_over()
        with pytest.raises(QueueUnavailable):
            await reload.old.home._run(_damage)
        assert not (reload.old.home.directory / CORRUPT).exists()
        reload.settle(reload.old, identity)
        assert await reload.old.live(identity) == 0

    play(tmp_path, scene)
