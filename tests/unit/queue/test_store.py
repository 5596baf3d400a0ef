"""The store against a model: what was put and settled is what is there, also after it was closed, killed or damaged."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gatepost.events.records import Event, Note
from gatepost.mail.content import Content, FileContent, MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import bounced, deferred, sent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue import actions, committer, inspect, salvage, schema
from gatepost.queue.audit import Tally, audit
from gatepost.queue.committer import Batch
from gatepost.queue.contents import INLINE
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import Ended, NewMessage, Settlement, Status
from gatepost.queue.record import unpack
from gatepost.queue.store import SqliteStore
from gatepost.queue.transaction import Claim

ENVELOPE = Envelope("a@client.test", (Recipient("b@remote.test", "b@remote.test"), Recipient("c\udce9@other.test")))
FOREVER = 1e12
LIVE = (Status.QUEUED, Status.HELD, Status.ACTIVE, Status.REQUEUED)


def open_store(directory: Path, events: list[Event] | None = None, **more: Any) -> SqliteStore:
    partition = directory / "store" / "1"
    partition.mkdir(parents=True, exist_ok=True)
    return SqliteStore(partition, 1, emit=(events if events is not None else []).append, **more)


async def put(store: SqliteStore, content: Content | None = None, envelope: Envelope = ENVELOPE) -> QueueId:
    content = content or MemoryContent(b"Subject: x\r\n\r\ny\r\n")
    message = NewMessage(store.new_id(), envelope, content, content.size)
    await store.put(message)
    return message.id


def everything(now: float = FOREVER, **more: Any) -> Claim:
    return Claim(**{"now": now, "limit": 100, "per_site": 100, "skip": (), "after": ""} | more)


def findings(directory: Path) -> list[str]:
    return [finding.text for finding in audit(directory, Tally(), thorough=True)]


class StoreMachine(RuleBasedStateMachine):
    """Put, settle, hold, release, delete, close and reopen in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.directory = Path(self.folder.name)
        self.runner = asyncio.Runner()
        self.model: dict[tuple[QueueId, int], Status] = {}
        self.contents: dict[QueueId, bytes] = {}

    @initialize()
    def start(self) -> None:
        self.store = self.runner.run(self._open())

    async def _open(self) -> SqliteStore:
        return open_store(self.directory)

    @rule(size=st.sampled_from([0, 10, 5000, INLINE + 1]), recipients=st.integers(1, 3), hold=st.booleans())
    def put(self, size: int, recipients: int, hold: bool) -> None:
        envelope = Envelope("a@client.test", tuple(Recipient(f"r{i}@remote.test") for i in range(recipients)), hold=hold)
        content = os.urandom(size)
        identity = self.runner.run(put(self.store, MemoryContent(content), envelope))
        self.contents[identity] = content
        for index in range(recipients):
            self.model[identity, index] = Status.HELD if hold else Status.ACTIVE

    @precondition(lambda self: any(s is Status.ACTIVE for s in self.model.values()))
    @rule(data=st.data(), status=st.sampled_from([Status.QUEUED, Status.DELIVERED, Status.BOUNCED, Status.EXPIRED]))
    def settle(self, data: st.DataObject, status: Status) -> None:
        key = data.draw(st.sampled_from(sorted(k for k, s in self.model.items() if s is Status.ACTIVE)))
        self.store.settle((Settlement(key[0], key[1], status, deferred("later"), due=5.0, site="smtp\nremote.test"),))
        self.model[key] = status

    @rule(name=st.sampled_from(["HOLD", "RELEASE", "REQUEUE", "DELETE"]), data=st.data())
    def act(self, name: str, data: st.DataObject) -> None:
        live = sorted({k[0] for k, s in self.model.items() if s in LIVE})
        if not live:
            return
        identity = data.draw(st.sampled_from(live))
        self.runner.run(self.store.live(identity))  # what was settled before is committed
        done, missing = actions.by_ids(self.directory, getattr(actions, name), [identity], by="root", now=1.0)
        after = {
            "HOLD": {Status.QUEUED: Status.HELD, Status.ACTIVE: Status.HELD},
            "RELEASE": {Status.HELD: Status.QUEUED},
            "REQUEUE": dict.fromkeys((Status.QUEUED, Status.HELD, Status.ACTIVE), Status.REQUEUED),
            "DELETE": dict.fromkeys(LIVE, Status.DELETED),
        }[name]
        there = any(key[0] == identity and status in after for key, status in self.model.items())
        assert (done, missing) == (([identity], []) if there else ([], [identity]))
        for key, status in self.model.items():
            if key[0] == identity:
                self.model[key] = after.get(status, status)

    @rule()
    def claim(self) -> None:
        async def both() -> list[Any]:
            fresh = await self.store.claim_fresh(everything())
            return [*fresh.messages, *(await self.store.claim(everything())).messages]

        claimed = self.runner.run(both())
        got = {(message.id, recipient.index) for message in claimed for recipient in message.recipients}
        assert got == {key for key, status in self.model.items() if status is Status.QUEUED}
        for message in claimed:
            assert message.content.read() == self.contents[message.id]
        self.model.update(dict.fromkeys(got, Status.ACTIVE))

    @rule()
    def take_in_anew(self) -> None:
        found = self.runner.run(self.store.requeued(0, 100)).messages
        got = {(message.id, recipient.index) for message in found for recipient in message.recipients}
        assert got == {key for key, status in self.model.items() if status is Status.REQUEUED}
        for message in found:
            assert message.content.read() == self.contents[message.id]
        for identity, index in got:
            self.store.settle((Settlement(identity, index, Status.REQUEUED, sent("requeued")),))
            self.model[identity, index] = Status.DELETED  # gone, as far as this queue goes

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.runner.run(self._open())
        self.model = {k: Status.QUEUED if s is Status.ACTIVE else s for k, s in self.model.items()}

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "store"):
            return
        self.runner.run(self.store.live(QueueId(0, 1)))
        ids = [message.id for message in inspect.messages(self.directory)]
        read = {identity: inspect.read(self.directory, identity) for identity in ids}
        listed = {(i, n): s for i, stored in read.items() if stored is not None for n, s in stored.states.items() if s in LIVE}
        assert listed == {k: s for k, s in self.model.items() if s in LIVE}
        assert findings(self.directory) == []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        self.runner.close()
        self.folder.cleanup()


StoreMachine.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStoreMachine = StoreMachine.TestCase


def test_an_envelope_comes_back_as_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        identity = await put(store)
        stored = inspect.read(tmp_path, identity)
        assert stored is not None
        assert stored.envelope == ENVELOPE
        assert stored.content is not None
        assert stored.content.read() == b"Subject: x\r\n\r\ny\r\n"
        [listed] = inspect.messages(tmp_path)
        assert [run.addresses for run in listed.runs] == [("b@remote.test", "c\udce9@other.test")]
        assert (listed.queue, listed.sender) == ("active", "a@client.test")
        store.close()

    asyncio.run(scenario())


def test_a_staged_file_is_moved_and_removed_with_the_last_recipient(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        path = store.staging()
        path.write_bytes(b"head" + b"z" * (INLINE + 1))
        content = FileContent(path, INLINE + 1, offset=4)
        identity = await put(store, content)
        assert not path.exists()
        assert content.read() == b"z" * (INLINE + 1)
        store.settle((Settlement(identity, 0, Status.DELIVERED, sent("ok")),))
        assert await store.live(identity) == 1
        assert content.path.exists()
        store.settle((Settlement(identity, 1, Status.BOUNCED, bounced("no")),))
        assert await store.live(identity) == 0
        assert not content.path.exists()
        store.close()

    asyncio.run(scenario())


def test_ids_are_unique_and_increase_even_when_the_clock_does_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path, clock=lambda: 1000.0)
        ids = [store.new_id() for _ in range(5)]
        await put(store)
        store.close()
        again = open_store(tmp_path, clock=lambda: 999.0)
        assert again.new_id() > ids[-1]
        assert ids == sorted(set(ids))
        again.close()

    asyncio.run(scenario())


def test_a_staged_content_takes_no_queue_id(tmp_path: Path) -> None:
    """An id that was given out tells of a message that is coming, for which commits wait a little."""

    async def scenario() -> None:
        store = open_store(tmp_path, clock=lambda: 1000.0)
        before = store.new_id()
        assert store.staging() != store.staging()
        assert store.new_id().key == before.key + 1
        store.close()

    asyncio.run(scenario())


def test_a_put_that_fails_says_so_and_the_store_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        gone = FileContent(tmp_path / "gone", INLINE + 1)
        with pytest.raises(QueueUnavailable):
            await put(store, gone)
        await put(store)
        assert len(list(inspect.messages(tmp_path))) == 1
        store.close()

    asyncio.run(scenario())


def test_a_put_that_fails_leaves_no_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        kept = await put(store, MemoryContent(b"x" * (INLINE + 1)))
        connection = sqlite3.connect(store.directory / schema.DATABASE, isolation_level=None)
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT raise(ABORT, 'disk full'); END")
        path = store.staging()
        path.write_bytes(b"y" * (INLINE + 1))
        with pytest.raises(QueueUnavailable):
            await put(store, FileContent(path, INLINE + 1))
        connection.close()
        store.close()
        assert [file.name for file in (store.directory / schema.CONTENT).iterdir()] == [str(kept.key)]
        assert not path.exists()

    asyncio.run(scenario())


@pytest.mark.parametrize("locked", [False, True])
def test_a_put_that_is_given_up_leaves_no_file(tmp_path: Path, *, locked: bool) -> None:
    """Before the committer has seen it, and while it is at work."""

    async def scenario() -> None:
        store = open_store(tmp_path)
        other = sqlite3.connect(store.directory / schema.DATABASE, isolation_level=None)
        if locked:
            other.execute("BEGIN IMMEDIATE")
        path = store.staging()
        path.write_bytes(b"y" * (INLINE + 1))
        giving_up = asyncio.ensure_future(put(store, FileContent(path, INLINE + 1)))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            while locked and path.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        giving_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving_up
        if locked:
            other.execute("COMMIT")
        other.close()
        async with asyncio.timeout(20):
            while path.exists() or list((store.directory / schema.CONTENT).iterdir()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert list(inspect.messages(tmp_path)) == []
        store.close()

    asyncio.run(scenario())


def test_a_commit_that_takes_too_long_is_refused_and_undone(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path, commit_timeout=0.05)
        other = sqlite3.connect(store.directory / schema.DATABASE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(QueueUnavailable):
            await put(store)
        other.execute("COMMIT")
        other.close()
        async with asyncio.timeout(5):
            while await _live_or_none(store) != 0:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert list(inspect.messages(tmp_path)) == []
        store.close()

    asyncio.run(scenario())


def test_a_put_given_up_in_the_moment_in_which_it_succeeds_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        giving_up = asyncio.ensure_future(put(store))
        resolve = store._resolve

        def resolve_and_give_up(batch: Batch) -> None:
            resolve(batch)
            giving_up.cancel()  # the caller is to be woken, but has not run yet

        monkeypatch.setattr(store, "_resolve", resolve_and_give_up)
        with pytest.raises(asyncio.CancelledError):
            await giving_up
        async with asyncio.timeout(5):
            while not await store.leave():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        store.close()

    asyncio.run(scenario())


async def _live_or_none(store: SqliteStore) -> int | None:
    try:
        return 0 if await store.leave() else 1
    except QueueUnavailable:
        return None


def test_claims_go_round_the_sites_and_skip_those_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        for number in range(30):
            identity = await put(store, envelope=Envelope("a@client.test", (Recipient("x@y.test"),)))
            store.settle((Settlement(identity, 0, Status.QUEUED, deferred("later"), due=number, site=f"smtp\n{number % 3}"),))
        claimed = await store.claim(everything(per_site=2, skip={"smtp\n1"}))
        assert len(claimed.messages) == 4
        assert claimed.exhausted
        part = await store.claim(everything(limit=3, per_site=3))
        assert (len(part.messages), part.after, part.exhausted) == (3, "smtp\n0", False)
        assert len((await store.claim(everything(now=0.5))).messages) == 0
        store.close()

    asyncio.run(scenario())


def test_a_damaged_content_is_held_and_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        events: list[Event] = []
        store = open_store(tmp_path, events)
        broken, sound = await put(store), await put(store)
        for identity in (broken, sound):
            store.shelve(identity, range(3))
        await store.live(sound)
        other = sqlite3.connect(store.directory / schema.DATABASE)
        other.execute("UPDATE content SET data = 'Subject: X' WHERE key = ?", (broken.key,))
        other.commit()
        other.close()
        claimed = await store.claim_fresh(everything())
        assert [message.id for message in claimed.messages] == [sound]
        assert [(e.queue_id, e.severity) for e in events if isinstance(e, Note)] == [(str(broken), "error")]
        assert [m.queue for m in inspect.messages(tmp_path)] == ["hold", "active"]
        store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("packed", [b"", b'{"a":' * 100_000, b"m" + b"\x91" * 100_000, b"m\xdd\xff\xff\xff\xff", b"{\0}\0"])
def test_what_is_no_envelope_is_a_value_error(packed: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(packed)


@pytest.mark.parametrize("instead", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_a_content_file_that_is_none_is_held_and_holds_nobody_up(tmp_path: Path, instead: Callable[[Path], None]) -> None:
    async def scenario() -> None:
        events: list[Event] = []
        store = open_store(tmp_path, events)
        identity = await put(store, MemoryContent(b"x" * (INLINE + 1)))
        path = store.directory / schema.CONTENT / str(identity.key)
        path.unlink()
        instead(path)
        store.shelve(identity, range(3))
        async with asyncio.timeout(5):
            assert not (await store.claim_fresh(everything())).messages
        assert [(e.queue_id, e.severity) for e in events if isinstance(e, Note)] == [(str(identity), "error")]
        store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", ["content_offset = 'x'", "content_offset = NULL", "envelope = NULL", "envelope = 'x'"])
def test_a_row_that_holds_anything_does_not_stop_a_salvage(tmp_path: Path, damage: str) -> None:
    async def fill() -> list[QueueId]:
        store = open_store(tmp_path)
        ids = [await put(store), await put(store)]
        store.close()
        return ids

    damaged, sound = asyncio.run(fill())
    directory = tmp_path / "store" / "1"
    connection = schema.connect(directory)
    connection.execute(f"UPDATE message SET {damage} WHERE key = ?", (damaged.key,))
    connection.execute("DELETE FROM recipient")
    connection.close()
    connection = salvage.heal(directory, sqlite3.DatabaseError("damaged"), lambda event: None)
    assert connection.execute("SELECT DISTINCT key FROM recipient").fetchall() == [(sound.key,)]
    connection.close()


def test_a_salvage_that_fails_is_tried_again_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true, tries = salvage._salvage, iter((OSError(28, "No space left on device"), sqlite3.OperationalError("disk I/O error")))

    def at_last(damaged: Path, fresh: sqlite3.Connection) -> dict[str, int]:
        if (failure := next(tries, None)) is not None:
            raise failure
        return true(damaged, fresh)

    monkeypatch.setattr(salvage, "_salvage", at_last)
    monkeypatch.setattr(committer, "IDLE", 0.01)

    async def scenario() -> None:
        store = open_store(tmp_path)
        before = await put(store)
        damaged = sqlite3.DatabaseError("database disk image is malformed")
        damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

        def find(connection: sqlite3.Connection) -> None:
            raise damaged

        with pytest.raises(QueueUnavailable):
            await store._run(find)
        with pytest.raises(QueueUnavailable):
            await put(store)
        with pytest.raises(QueueUnavailable):  # there is a sound database from now on
            await put(store)
        after = await put(store)
        store.close()
        assert {message.id for message in inspect.messages(tmp_path)} == {before, after}

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", ["header", "middle", "truncated", "noise"])
def test_a_damaged_database_is_set_aside_and_the_rest_goes_on(tmp_path: Path, damage: str) -> None:
    async def fill() -> list[QueueId]:
        store = open_store(tmp_path)
        ids = [await put(store, MemoryContent(os.urandom(3000))) for _ in range(50)]
        store.close()
        return ids

    ids = asyncio.run(fill())
    database = tmp_path / "store" / "1" / schema.DATABASE
    data = bytearray(database.read_bytes())
    match damage:
        case "header":
            data[:100] = b"\xff" * 100
        case "middle":
            data[len(data) // 2 : len(data) // 2 + 20000] = b"\xff" * 20000
        case "truncated":
            del data[len(data) // 2 :]
        case "noise":
            data = bytearray(os.urandom(len(data)))
    database.write_bytes(data)

    async def go_on() -> None:
        events: list[Event] = []
        store = open_store(tmp_path, events)
        claimed = 0
        async with asyncio.timeout(20):
            while True:
                try:
                    batch = await store.claim_fresh(everything())
                except QueueUnavailable:
                    continue
                if not batch.messages:
                    break
                claimed += len(batch.messages)
        identity = await put(store)
        assert identity not in ids
        assert any(isinstance(e, Note) and e.severity == "error" for e in events)
        assert claimed < len(ids)
        store.close()

    asyncio.run(go_on())


_CHILD = """
import asyncio, sys, os
from pathlib import Path
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import sent
from gatepost.queue.port import Ended, NewMessage, Settlement, Status
from gatepost.queue.store import SqliteStore

async def feed(store, number):
    while True:
        size = 300_000 if number == 0 else 2000
        message = NewMessage(store.new_id(), Envelope("a@b.test", (Recipient("c@d.test"),)), MemoryContent(b"x" * size), size)
        await store.put(message)
        os.write(1, f"{message.id}\\n".encode())
        if number % 2:
            store.settle((Settlement(message.id, 0, Status.DELIVERED, sent("ok")),))

async def main():
    store = SqliteStore(Path(sys.argv[1]), 1, emit=print)
    await asyncio.gather(*(feed(store, number) for number in range(6)))

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [0.15, 0.22, 0.31])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, after: float) -> None:
    partition = tmp_path / "store" / "1"
    partition.mkdir(parents=True)
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(partition)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(after)
    os.kill(child.pid, signal.SIGKILL)
    acknowledged = child.stdout.read().split()
    child.wait()
    from gatepost.mail.queue_id import parse

    for line in acknowledged:
        if len(line) == len(acknowledged[0]):
            assert inspect.read(tmp_path, parse(line.decode())) is not None

    async def reopen() -> None:
        open_store(tmp_path).close()

    asyncio.run(reopen())
    assert [f for f in audit(tmp_path, Tally(), thorough=True) if not f.harmless] == []


def test_a_partition_without_an_owner_is_taken_over_and_released(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = Partitions(tmp_path, emit=lambda event: None)
        second = Partitions(tmp_path, emit=lambda event: None)
        assert (first.home.partition, second.home.partition) == (1, 2)
        identity = await put(first.home)
        await second.adopt()
        assert [store.partition for store in second.stores()] == [2]
        first.close()
        await second.adopt()
        assert [store.partition for store in second.stores()] == [2, 1]
        [claimed] = (await second.stores()[1].claim_fresh(everything())).messages
        assert claimed.id == identity
        second.settle([Settlement(identity, index, Status.DELIVERED, sent("ok")) for index in (0, 1)])
        assert await second.live(identity) == 0
        await second.release()
        assert [store.partition for store in second.stores()] == [2]
        third = Partitions(tmp_path, emit=lambda event: None)
        assert third.home.partition == 1
        third.close()
        second.close()

    asyncio.run(scenario())


def test_the_ledger_is_forgotten_in_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        done, waiting = await put(store), await put(store)
        store.settle([Settlement(done, index, Status.DELIVERED, sent("ok")) for index in (0, 1)])
        await store.purge(FOREVER, 10)
        assert inspect.read(tmp_path, done) is None
        assert inspect.read(tmp_path, waiting) is not None
        store.close()

    asyncio.run(scenario())


def test_a_tool_that_writes_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        changed = asyncio.Event()
        store = open_store(tmp_path, on_change=changed.set)
        await put(store)
        actions.flush(tmp_path)
        async with asyncio.timeout(5):
            await changed.wait()
        assert await store.signals() == {"flush": 1}
        store.close()

    asyncio.run(scenario())


def test_selections(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = open_store(tmp_path)
        one = await put(store)
        two = await put(store, envelope=Envelope("", (Recipient("x@Remote.test"),)))
        choose = actions.Selection
        assert actions.by_selection(tmp_path, actions.HOLD, choose(sender="")) == 1
        assert [m.queue for m in inspect.messages(tmp_path)] == ["active", "hold"]
        assert actions.by_selection(tmp_path, actions.RELEASE, choose()) == 1
        told: list[QueueId] = []
        assert actions.by_selection(tmp_path, actions.DELETE, choose(site="remote.test"), by="root", tell=told.append) == 2
        assert told == [one, two]
        assert findings(tmp_path) == []
        store.close()

    asyncio.run(scenario())


VERSION_1 = """
CREATE TABLE message(key INTEGER PRIMARY KEY, sender, size INTEGER, recipients INTEGER, flags INTEGER,
    envelope BLOB, envelope_crc INTEGER, content_size INTEGER, content_crc INTEGER, content_offset INTEGER);
CREATE TABLE content(key INTEGER PRIMARY KEY, data BLOB);
CREATE TABLE recipient(key INTEGER, number INTEGER, status INTEGER, due REAL, site TEXT, attempts INTEGER, reason,
    address, PRIMARY KEY(key, number)) WITHOUT ROWID;
CREATE INDEX waiting ON recipient(site, due) WHERE status = 0;
CREATE TABLE ledger(key INTEGER, number INTEGER, status INTEGER, at REAL, outcome TEXT, by TEXT, address,
    PRIMARY KEY(key, number)) WITHOUT ROWID;
CREATE TABLE signal(name TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID"""


def test_a_database_of_the_version_before_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "1"
    folder.mkdir(parents=True)
    old = sqlite3.connect(folder / schema.DATABASE)
    for statement in VERSION_1.split(";"):
        old.execute(statement)
    old.execute("PRAGMA user_version = 1")
    old.close()

    async def scenario() -> None:
        store = open_store(tmp_path)
        identity = await put(store)
        store.settle([Settlement(identity, 0, Status.QUEUED, deferred("later", "4.2.0"), 1.0)])
        (message,) = (await store.claim_fresh(everything())).messages
        assert message.recipients[0].last == deferred("later", "4.2.0")
        store.close()

    asyncio.run(scenario())
    assert findings(tmp_path) == []


def test_whom_the_filter_keeps_it_from_is_in_the_ledger_at_once(tmp_path: Path) -> None:
    """Nobody delivers to them, and the audit misses nobody."""

    async def scene() -> QueueId:
        store = open_store(tmp_path)
        ended = (Ended(Recipient("x@remote.test"), bounced("quarantined as spam-1 - SPAM")),)
        message = NewMessage(store.new_id(), ENVELOPE, MemoryContent(b"Subject: x\r\n\r\ny\r\n"), 17, ended=ended)
        await store.put(message)
        assert await store.live(message.id) == len(ENVELOPE.recipients)
        store.settle([Settlement(message.id, index, Status.DELIVERED, sent("ok")) for index in range(len(ENVELOPE.recipients))])
        assert await store.live(message.id) == 0
        store.close()
        return message.id

    identity = asyncio.run(scene())
    connection = sqlite3.connect(tmp_path / "store" / "1" / "queue.sqlite")
    told = connection.execute("SELECT number, status, by, address, outcome FROM ledger WHERE number = 2").fetchall()
    connection.close()
    [(number, status, by, address, outcome)] = told
    assert (number, status, by, address) == (2, Status.DELETED, "filter", "x@remote.test")
    assert "quarantined as spam-1" in str(outcome)
    assert findings(tmp_path) == []
    assert identity.key
