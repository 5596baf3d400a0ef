"""Faults of the store that cost one change, one row or one moment, and never the store: a full file, a file that is replaced or of
a newer Gatepost, rows that nobody stored, faults of our own in the thread that writes."""

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.state_store import FILE, SPACE, fill, locks, play, process

from gatepost.state import changes, sqlite_store, state_file, writer
from gatepost.state.port import ABSENT, MayLose, StateUnavailable
from gatepost.state.sqlite_store import SqliteStateStore
from gatepost.state.writer_lock import holder_of, writer_lock


def test_a_full_file_has_room_again_for_what_has_expired(tmp_path: Path) -> None:
    """Though nothing can be put that would take it away in passing."""
    now = 1_000_000.0

    async def scenes(store: SqliteStateStore) -> None:
        nonlocal now
        with pytest.raises(StateUnavailable, match="full"):
            for number in range(100):
                await asyncio.gather(
                    *(store.put(SPACE, b"%d/%d" % (one * 7919 % 100, number), b"v" * 500, now + 100) for one in range(100))
                )
        await asyncio.sleep(sqlite_store._RETRY_PAUSE)
        now += 100
        for number in range(3):
            await asyncio.gather(*(store.put(SPACE, b"new/%d/%d" % (number, one), b"v" * 500, now + 100) for one in range(100)))
        claimed = await asyncio.gather(*(store.compare_and_set(SPACE, b"claim/%d" % one, b"v" * 500, ABSENT) for one in range(50)))
        for one, revision in enumerate(claimed):
            entry = await store.get(SPACE, b"claim/%d" % one)
            assert entry is not None and entry.revision == revision

    (warning,) = play(tmp_path, scenes, clock=lambda: now, size_limit=1_000_000)
    assert "full" in warning


def test_changes_that_are_made_on_a_second_try_are_all_made(tmp_path: Path) -> None:
    """With the revisions of the first try, which was taken back."""
    opened = state_file.open_writing(tmp_path, 0)
    changing = changes.Changing(opened.connection)
    changing.commit(
        [changes.Change(b"s\0" + b"%d" % one, b"v" * 500, None, 10.0, MayLose.LAST_SECOND) for one in range(256)],
        5.0,
        MayLose.LAST_SECOND,
    )
    ((pages,),) = opened.connection.execute("PRAGMA page_count").fetchall()
    opened.connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    claims = [changes.Change(b"s\0n%d" % one, b"v" * 500, ABSENT, 100.0, MayLose.LAST_SECOND) for one in range(100)]
    changing.commit(claims, 20.0, MayLose.LAST_SECOND)
    found = dict(opened.connection.execute("SELECT key, revision FROM entry WHERE expires = 100.0").fetchall())
    assert found == {one.key: one.result for one in claims}
    changing.close()


def test_what_is_due_is_counted_though_the_changes_fail(tmp_path: Path) -> None:
    opened = state_file.open_writing(tmp_path, 0)
    changing = changes.Changing(opened.connection)
    lose = MayLose.LAST_SECOND
    changing.commit([changes.Change(b"s\0%03d" % one, b"v", None, 10.0, lose) for one in range(200)], 5.0, lose)
    before = opened.connection.execute("SELECT swept_to FROM place").fetchall()
    opened.connection.execute("CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.entry BEGIN SELECT RAISE(ABORT, 'no'); END")
    for _ in range(20):
        with pytest.raises(sqlite3.Error):
            changing.commit([changes.Change(b"s\0new", b"v", None, 100.0, lose)], 20.0, lose)
    opened.connection.execute("DROP TRIGGER refuse")
    changing.commit([changes.Change(b"s\0new", b"v", None, 100.0, lose)], 20.0, lose)
    assert before != opened.connection.execute("SELECT swept_to FROM place").fetchall()
    assert opened.connection.execute("SELECT count(*) FROM entry").fetchall()[0][0] <= 200 - 150
    changing.close()


def test_a_file_that_is_replaced_while_it_is_opened_is_not_taken_for_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the good one would be set aside for the damage of the other."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        play(folder, lambda store: store.put(SPACE, b"k", folder.name.encode()))
    prepare, replaced = state_file._prepare, []

    def replace_it(connection: sqlite3.Connection) -> None:
        prepare(connection)
        connection.execute("SELECT * FROM entry").fetchall()  # now it has the old one open
        if not replaced:
            os.rename(new / FILE, old / FILE)
            replaced.append(True)

    monkeypatch.setattr(state_file, "_prepare", replace_it)
    opened = state_file.open_reading(old)
    assert opened.identity == state_file.identity(old)
    assert opened.connection.execute("SELECT value FROM entry").fetchall() == [(b"new",)]
    opened.connection.close()


@pytest.mark.parametrize("fault", [RuntimeError("one"), KeyError("one"), MemoryError("one")])
def test_a_fault_of_ours_fails_the_changes_that_met_it_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    make = changes._make

    def broken(connection: sqlite3.Connection, made: Any, *more: Any) -> None:
        if any(one.key.endswith(b"bad") for one in made):
            raise fault
        make(connection, made, *more)

    monkeypatch.setattr(changes, "_make", broken)

    async def scenes(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")
        for _ in range(3):
            with pytest.raises(StateUnavailable, match="fault in Gatepost"):
                await store.put(SPACE, b"bad", b"v")
            await store.put(SPACE, b"k", b"w")
        assert (await store.get(SPACE, b"k")).value == b"w"  # type: ignore[union-attr]
        assert await store.get(SPACE, b"bad") is None

    warned = play(tmp_path, scenes)
    assert len([text for text in warned if "changes were not made" in text]) == 1
    assert str(tmp_path / FILE) in warned[0] and "test_store_faults.py:" in warned[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_died_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = changes.Changing.commit

    def die(*arguments: Any) -> None:
        monkeypatch.setattr(changes.Changing, "commit", commit)
        raise SystemExit

    async def scenes(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")
        first = store._writer
        assert first is not None
        monkeypatch.setattr(changes.Changing, "commit", die)
        with pytest.raises(StateUnavailable, match="has ended"):
            await store.put(SPACE, b"k", b"w")
        await asyncio.to_thread(first.join)
        await store.put(SPACE, b"k", b"x")
        assert (await store.get(SPACE, b"k")).value == b"x"  # type: ignore[union-attr]

    assert len(play(tmp_path, scenes)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_thread_had_before_it_when_it_died_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = changes.Changing.commit
    dying = threading.Event()

    def die(*arguments: Any) -> None:
        monkeypatch.setattr(changes.Changing, "commit", commit)
        dying.wait()
        raise SystemExit

    async def scenes(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")
        monkeypatch.setattr(changes.Changing, "commit", die)
        lost = asyncio.ensure_future(store.put(SPACE, b"k", b"w"))
        while store._underway is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        monkeypatch.setattr(sqlite_store, "_opened_to_read", lambda folder: None)
        store._reader = None
        waiting = asyncio.ensure_future(store.get(SPACE, b"k"))
        while store._reopening is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        dying.set()
        assert [type(one) for one in await asyncio.gather(lost, waiting, return_exceptions=True)] == [StateUnavailable] * 2
        await asyncio.sleep(sqlite_store._RETRY_PAUSE)
        assert (await store.get(SPACE, b"k")).value == b"v"  # type: ignore[union-attr]

    play(tmp_path, scenes, time_limit=0.3)


def test_a_thread_that_cannot_be_started_refuses_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenes(store: SqliteStateStore) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(writer.Writer, "start", no_more)
            for _ in range(2):
                with pytest.raises(StateUnavailable, match="can't start new thread"):
                    await store.put(SPACE, b"k", b"v")
        await store.put(SPACE, b"k", b"v")

    assert len(play(tmp_path, scenes)) == 1


_ODD = (
    "value = 'text'",
    "value = CAST(x'ff' AS TEXT)",
    "value = 7",
    "revision = 'r'",
    "revision = 0.5",
    "revision = x'00'",
    "expires = 'never'",
    "expires = x'00'",
)


@pytest.mark.parametrize("what", _ODD)
def test_a_row_that_cannot_be_read_is_one_absent_key(tmp_path: Path, what: str) -> None:
    play(tmp_path, fill)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(f"UPDATE entry SET {what} WHERE key IN (?, ?)", (b"one\x007", b"one\x008"))
    connection.close()

    async def scenes(store: SqliteStateStore) -> None:
        for _ in range(2):
            assert await store.get(SPACE, b"7") is None
        assert len([key async for key, _ in store.iterate(SPACE)]) == 1998
        assert (await store.get(SPACE, b"9")).value == b"v" * 100  # type: ignore[union-attr]
        assert await store.compare_and_set(SPACE, b"7", b"mended", ABSENT)
        assert (await store.get(SPACE, b"7")).value == b"mended"  # type: ignore[union-attr]
        assert not await store.delete(SPACE, b"8")

    (warning,) = play(tmp_path, scenes)
    assert str(tmp_path / FILE) in warning and "key b'7'" in warning
    assert [file for file in os.listdir(tmp_path) if "damaged" in file] == []


@pytest.mark.parametrize("under_us", [False, True])
def test_a_file_of_a_newer_gatepost_is_left_alone(tmp_path: Path, under_us: bool) -> None:
    """Nothing is stored or found then, and the log says why."""
    play(tmp_path, fill)

    def renew() -> None:
        newer = tmp_path / "newer"
        newer.write_bytes((tmp_path / FILE).read_bytes())
        with sqlite3.connect(newer) as connection:
            connection.execute("PRAGMA user_version = 2")
        connection.close()
        os.rename(newer, tmp_path / FILE)

    async def scenes(store: SqliteStateStore) -> None:
        if under_us:
            assert await store.get(SPACE, b"1")
        renew()
        content = (tmp_path / FILE).read_bytes()
        await asyncio.sleep(sqlite_store._LOOK_PAUSE)
        for call in (store.get(SPACE, b"1"), store.put(SPACE, b"1", b"w"), store.delete(SPACE, b"1")):
            with pytest.raises(StateUnavailable, match="format 2, of a newer Gatepost"):
                await call
        assert (tmp_path / FILE).read_bytes() == content

    (warning,) = play(tmp_path, scenes)
    assert f"{tmp_path / FILE}: it has format 2" in warning and "move the file away" in warning
    assert [file for file in os.listdir(tmp_path) if "damaged" in file] == []


_PLACES = ("DELETE FROM place", "UPDATE place SET revision = 9223372036854775807", "UPDATE place SET swept_to = 7")


@pytest.mark.parametrize("statement", _PLACES)
@pytest.mark.parametrize("under_us", [False, True])
def test_a_file_that_does_not_know_where_it_stands_is_set_aside(tmp_path: Path, statement: str, under_us: bool) -> None:
    play(tmp_path, fill)

    async def scenes(store: SqliteStateStore) -> None:
        if under_us:
            await store.put(SPACE, b"1", b"w")
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute(statement)
        connection.close()
        await asyncio.gather(*(store.put(SPACE, b"%d" % one, b"w") for one in range(100)))
        assert (await store.get(SPACE, b"1")).value == b"w"  # type: ignore[union-attr]

    (warning,) = play(tmp_path, scenes)
    assert "is damaged" in warning


def test_a_lock_is_one_for_all_who_have_the_folder_open(tmp_path: Path) -> None:
    """The kernel takes all locks of a process on a file when it closes any descriptor of it."""
    first, second = writer_lock(tmp_path), writer_lock(tmp_path / ".." / tmp_path.name)
    first.take(0.0)
    with pytest.raises(StateUnavailable, match="this process has been writing"):
        second.take(0.0)
    second.close()
    assert locks(tmp_path / "writer.lock")
    first.give()
    writer_lock(tmp_path).take(0.0)
    assert locks(tmp_path / "writer.lock")
    for _ in range(2):
        first.close()
    assert not locks(tmp_path / "writer.lock")


def test_a_child_has_a_lock_of_its_own(tmp_path: Path) -> None:
    lock = writer_lock(tmp_path)
    lock.take(0.0)

    def body(ready: Callable[[], object]) -> None:
        with pytest.raises(StateUnavailable, match=f"process {os.getppid()} "):
            writer_lock(tmp_path).take(0.0)
        ready()

    with process(body):
        pass
    lock.give()
    lock.close()


def test_a_folder_that_is_taken_away_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "state"

    async def scenes(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")
        assert await store.get(SPACE, b"k")
        shutil.rmtree(folder)
        await store.put(SPACE, b"k", b"w")
        await asyncio.sleep(sqlite_store._LOOK_PAUSE)
        assert (await store.get(SPACE, b"k")).value == b"w"  # type: ignore[union-attr]
        assert holder_of(folder) == 0 and (folder / "writer.lock").exists()

    assert play(folder, scenes) == []


def test_who_waits_for_a_thread_that_hangs_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    async def scenes() -> list[object]:
        store = SqliteStateStore(tmp_path, clock=time.time, warn=lambda text: None, patience=0.05)
        await store.put(SPACE, b"k", b"v")
        put, begun = changes._put, threading.Event()
        monkeypatch.setattr(changes, "_put", lambda *arguments: (begun.set(), go_on.wait(), put(*arguments))[2])
        waiting = [asyncio.ensure_future(store.put(SPACE, b"k", b"w"))]
        await asyncio.to_thread(begun.wait)
        waiting.append(asyncio.ensure_future(store.put(SPACE, b"l", b"w")))
        await asyncio.sleep(0)
        await store.close()
        return await asyncio.gather(*waiting, return_exceptions=True)

    try:
        assert [type(one) for one in asyncio.run(scenes())] == [StateUnavailable] * 2
    finally:
        go_on.set()


def test_a_file_that_others_keep_locked_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "_BUSY_READS", 5)
    play(tmp_path, fill)

    class Busy:
        """A connection that finds somebody else at work."""

        tries = 0

        def execute(self, *arguments: object) -> None:
            self.tries += 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error

        def close(self) -> None: ...

    async def scenes(store: SqliteStateStore) -> None:
        assert await store.get(SPACE, b"1")
        reader, busy = store._reader, Busy()
        store._reader = busy  # type: ignore[assignment]
        with pytest.raises(StateUnavailable, match=r"others have kept it locked for 0\.05 s"):
            await store.get(SPACE, b"1")
        assert busy.tries == 5
        store._reader = reader
        assert await store.get(SPACE, b"1")

    assert len(play(tmp_path, scenes)) == 1
    assert [file for file in os.listdir(tmp_path) if "damaged" in file] == []
