"""The store of one machine under faults: processes that end or stop in the middle of a change, files that are damaged, disks that
are full, folders that belong to others. Processes for real; patience short."""

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.state_store import DURABLE, FILE, SPACE, fill, locks, opened, play, process

from gatepost.state import changes, sqlite_store, state_file, writer
from gatepost.state.port import ABSENT, MayLose, StateUnavailable
from gatepost.state.sqlite_store import SqliteStateStore
from gatepost.state.writer_lock import holder_of, writer_lock


def _in_the_middle(folder: Path) -> Callable[[Callable[[], object]], object]:
    """Be stuck within a transaction that has written."""

    def body(ready: Callable[[], object]) -> None:
        put = changes._put

        def stuck(*arguments: Any) -> Any:
            result = put(*arguments)
            ready()
            signal.pause()
            return result

        changes._put = stuck
        play(folder, lambda store: store.put(SPACE, b"never", b"x"))

    return body


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    async def scenes(store: SqliteStateStore) -> None:
        await asyncio.sleep(0)

    play(tmp_path / "state", scenes)
    assert not (tmp_path / "state").exists()
    assert "gatepost-state" not in [thread.name for thread in threading.enumerate()]


def test_it_lasts(tmp_path: Path) -> None:
    async def store_it(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")

    async def find_it(store: SqliteStateStore) -> None:
        entry = await store.get(SPACE, b"k")
        assert entry is not None and entry.value == b"v"
        assert await store.put(SPACE, b"k", b"v") > entry.revision

    assert play(tmp_path, store_it) == play(tmp_path, find_it) == []
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_what_was_asked_for_before_the_end_is_stored(tmp_path: Path) -> None:
    async def hurried(store: SqliteStateStore) -> None:
        for number in range(2500):
            asyncio.ensure_future(store.put(SPACE, b"%d" % number, b"v"))  # noqa: RUF006
        await asyncio.sleep(0)

    async def count(store: SqliteStateStore) -> None:
        assert len([key async for key, _ in store.iterate(SPACE)]) == 2500

    play(tmp_path, hurried)
    play(tmp_path, count)


def test_processes_at_once_lose_no_change(tmp_path: Path) -> None:
    async def count(store: SqliteStateStore) -> None:
        for _ in range(100):
            while True:
                entry = await store.get(SPACE, b"k")
                value = b"%d" % (int(entry.value) + 1 if entry else 1)
                if await store.compare_and_set(SPACE, b"k", value, entry.revision if entry else ABSENT):
                    break

    children = []
    for _ in range(3):
        if (pid := os.fork()) == 0:
            status = 1
            try:
                status = bool(play(tmp_path, count, patience=60.0, time_limit=60.0))
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]

    async def see(store: SqliteStateStore) -> None:
        entry = await store.get(SPACE, b"k")
        assert entry is not None and entry.value == b"300"

    play(tmp_path, see)


def test_whoever_is_killed_in_the_middle_of_a_change_stops_nobody(tmp_path: Path) -> None:
    with process(_in_the_middle(tmp_path)) as pid:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

        async def go_on(store: SqliteStateStore) -> None:
            assert await store.get(SPACE, b"never") is None
            await store.put(DURABLE, b"k", b"v")

        assert play(tmp_path, go_on) == []


def test_whoever_is_stopped_in_the_middle_of_a_change_stops_no_reader_and_no_loop(tmp_path: Path) -> None:
    """Writers are told so in time, and by whom; once the supervisor has ended it (faults/test_state.py) they go on."""

    async def before(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")

    play(tmp_path, before)
    with process(_in_the_middle(tmp_path)) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert holder_of(tmp_path) == pid

        async def meanwhile(store: SqliteStateStore) -> None:
            waiting = asyncio.ensure_future(store.put(SPACE, b"k", b"w"))
            turns = 0
            while not waiting.done():
                await asyncio.sleep(0.005)
                turns += 1
            with pytest.raises(StateUnavailable, match=f"process {pid} "):
                await waiting
            assert turns > 10
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # noqa: ASYNC222
            await asyncio.sleep(sqlite_store._RETRY_PAUSE)
            await store.put(SPACE, b"k", b"w")
            entry = await store.get(SPACE, b"k")
            assert entry is not None and entry.value == b"w"

        (warning,) = play(tmp_path, meanwhile)
        assert f"process {pid} has been writing" in warning


def test_reads_go_on_while_a_writer_is_stopped(tmp_path: Path) -> None:
    async def scenes(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")
        with process(_in_the_middle(tmp_path)) as pid:
            os.kill(pid, signal.SIGSTOP)
            async with opened(tmp_path) as begun_later:
                for reader in (store, begun_later):
                    assert (await reader.get(SPACE, b"k")).value == b"v"  # type: ignore[union-attr]
                    assert [key async for key, _ in reader.iterate(SPACE)] == [b"k"]

    assert play(tmp_path, scenes) == []


def _garbage(file: Path) -> None:
    file.write_bytes(os.urandom(8192))


def _cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096 + 100)


def _emptied(file: Path) -> None:
    os.truncate(file, 0)


def _trampled(file: Path) -> None:
    with open(file, "r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xa5" * (file.stat().st_size - 4096))


def _foreign(file: Path) -> None:
    file.unlink()
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE t(x)")
    other.close()


def _emptied_with_its_log(file: Path) -> None:
    for suffix in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            os.truncate(f"{file}{suffix}", 0)


_DAMAGES = (_garbage, _cut_short, _emptied, _emptied_with_its_log, _trampled, _foreign)
DAMAGE = {one.__name__.strip("_"): one for one in _DAMAGES}


@pytest.mark.parametrize("how", [name for name in DAMAGE if not name.startswith("emptied")])
def test_a_file_that_was_damaged_is_set_aside_and_named(tmp_path: Path, how: str) -> None:
    play(tmp_path, fill)
    DAMAGE[how](tmp_path / FILE)

    async def go_on(store: SqliteStateStore) -> None:
        for number in range(0, 2000, 50):
            await store.get(SPACE, b"%d" % number)
        await store.put(DURABLE, b"k", b"v")
        assert await store.get(DURABLE, b"k") is not None
        assert [key async for key, _ in store.iterate(SPACE)] == []

    (warning,) = play(tmp_path, go_on)
    (aside,) = (file for file in tmp_path.iterdir() if ".damaged." in file.name and not file.name.endswith(("-wal", "-shm")))
    assert f"{tmp_path / FILE} is damaged" in warning and f"moved to {aside}, going on with an empty one" in warning


@pytest.mark.parametrize("how", [name for name in DAMAGE if name != "foreign"])
@pytest.mark.parametrize("first", ["get", "put"])
def test_a_file_that_is_damaged_under_us_is_set_aside(tmp_path: Path, how: str, first: str) -> None:
    """Two stores, as of two workers: one of them sets it aside, and both go on with the same one."""
    play(tmp_path, fill)

    async def scenes(store: SqliteStateStore) -> None:
        warned: list[str] = []
        async with opened(tmp_path, warned) as other:
            assert await other.get(SPACE, b"1") and await store.get(SPACE, b"1")
            DAMAGE[how](tmp_path / FILE)
            for _ in range(2):
                for number in range(0, 2000, 20):
                    await store.get(SPACE, b"%d" % number) if first == "get" else await store.put(SPACE, b"%d" % number, b"w")
            await store.put(DURABLE, b"k", b"v")
            await asyncio.sleep(sqlite_store._LOOK_PAUSE)
            entry = await other.get(DURABLE, b"k")
            assert entry is not None and entry.value == b"v"
            assert warned == []

    (warning,) = play(tmp_path, scenes)
    assert "going on with an empty one" in warning


def test_a_disk_that_is_full_refuses_and_goes_on_reading(tmp_path: Path) -> None:
    play(tmp_path, fill)

    async def scenes(store: SqliteStateStore) -> None:
        with pytest.raises(StateUnavailable, match="full"):
            for number in range(100):
                await asyncio.gather(*(store.put(SPACE, b"%d/%d" % (number, one), b"v" * 1000) for one in range(100)))
        with pytest.raises(StateUnavailable, match="full"):
            await asyncio.gather(*(store.put(SPACE, b"new/%d" % number, b"v" * 1000) for number in range(100)))
        assert await store.get(SPACE, b"1")
        assert await store.get(SPACE, b"new/1") is None
        assert await store.delete(SPACE, b"1")

    (warning,) = play(tmp_path, scenes, size_limit=1_000_000)  # one line for all of them
    assert str(tmp_path / FILE) in warning
    assert (tmp_path / FILE).stat().st_size <= 1_000_000


def test_a_file_that_cannot_grow_refuses(tmp_path: Path) -> None:
    def body(ready: Callable[[], object]) -> None:
        async def scenes(store: SqliteStateStore) -> None:
            await store.put(SPACE, b"k", b"v")
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
            with pytest.raises(StateUnavailable):
                for number in range(100):
                    await store.put(SPACE, b"%d" % number, b"v" * 50_000)
            assert await store.get(SPACE, b"k")
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await store.put(SPACE, b"l", b"v" * 50_000)

        assert len(play(tmp_path, scenes)) == 1
        ready()

    with process(body):
        pass


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that every user may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        (folder := Path(name)).chmod(0o755)
        yield folder


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_place_that_is_not_ours_refuses_and_is_tried_again(everybodys: Path, what: str) -> None:
    """As another user than root, whom nobody keeps out."""
    folder = everybodys / "state"
    play(folder, fill)
    closed = folder if what == "folder" else folder / FILE

    def body(ready: Callable[[], object]) -> None:
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, 65534, 65534)
        closed.chmod(0o000)
        if os.geteuid() == 0:
            os.setresuid(65534, 65534, 65534)

        async def scenes(store: SqliteStateStore) -> None:
            for call in (store.get(SPACE, b"1"), store.put(SPACE, b"1", b"w"), store.get(SPACE, b"1")):
                with pytest.raises(StateUnavailable, match=r"(?i)permission denied|unable to open"):
                    await call
            closed.chmod(0o700)
            await asyncio.sleep(sqlite_store._RETRY_PAUSE)
            assert await store.get(SPACE, b"1")
            await store.put(SPACE, b"1", b"w")

        (warning,) = play(folder, scenes)
        assert str(folder) in warning
        ready()

    with process(body):
        pass


def test_a_thread_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    async def scenes(store: SqliteStateStore) -> None:
        await store.put(SPACE, b"k", b"v")
        put = changes._put
        monkeypatch.setattr(changes, "_put", lambda *arguments: (go_on.wait(), put(*arguments))[1])
        tried = await asyncio.gather(*(store.put(SPACE, b"k", b"w") for _ in range(3)), return_exceptions=True)
        late = asyncio.ensure_future(store.put(SPACE, b"k", b"x"))
        with pytest.raises(StateUnavailable, match=r"within 0\.1 s"):
            await late
        assert [type(one) for one in tried] == [StateUnavailable] * 3
        assert (await store.get(SPACE, b"k")).value == b"v"  # type: ignore[union-attr]
        go_on.set()

    assert len(play(tmp_path, scenes, time_limit=0.1)) == 1


def test_changes_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "_MOST_WAITING", 10)

    async def scenes(store: SqliteStateStore) -> None:
        tried = await asyncio.gather(*(store.put(SPACE, b"%d" % number, b"v") for number in range(15)), return_exceptions=True)
        assert [isinstance(one, StateUnavailable) for one in tried] == [False] * 10 + [True] * 5

    play(tmp_path, scenes)


def test_what_has_expired_makes_room_bit_by_bit(tmp_path: Path) -> None:
    """As many come as expire: what is there stays a bit more than what lives, and no change takes many away."""
    now, living = 1_000_000.0, 1000

    async def scenes(store: SqliteStateStore) -> None:
        nonlocal now
        for round_ in range(20):
            for first in range(0, living, 50):
                now += 50
                keys = range(first, first + 50)
                await asyncio.gather(
                    *(store.put(SPACE, b"%d/%d" % (key * 7919 % living, round_), b"v", now + living) for key in keys)
                )

    play(tmp_path, scenes, clock=lambda: now)
    with sqlite3.connect(tmp_path / FILE) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM entry").fetchall()
    assert rows <= living * 1.3


def test_what_may_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synced are commits of a space that may lose nothing, and within a second, though nothing more comes, all others."""
    commits: list[MayLose] = []
    commit = changes.Changing.commit

    def told(self: Any, made: Any, now: float, lose: MayLose) -> None:
        commit(self, made, now, lose)
        commits.append(lose)
        ((synchronous,),) = self._connection.execute("PRAGMA synchronous").fetchall()
        assert synchronous == {MayLose.NOTHING: 2, MayLose.LAST_SECOND: 1}[lose]

    monkeypatch.setattr(changes.Changing, "commit", told)
    monkeypatch.setattr(writer, "SECOND", 0.05)

    async def scenes(store: SqliteStateStore) -> None:
        await store.put(DURABLE, b"k", b"v")
        await asyncio.sleep(0.1)
        assert commits == [MayLose.NOTHING]
        await store.put(SPACE, b"k", b"v")
        assert commits[1:] == [MayLose.LAST_SECOND]
        while len(commits) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.gather(store.put(SPACE, b"k", b"v"), store.put(DURABLE, b"k", b"v"))
        assert commits[2:] == [MayLose.NOTHING] * 2

    play(tmp_path, scenes)


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "else").touch()
    (tmp_path / "writer.lock").symlink_to(tmp_path / "else")
    assert holder_of(tmp_path) == 0
    with pytest.raises(OSError):
        writer_lock(tmp_path)


def test_whoever_opens_the_file_to_write_keeps_its_locks(tmp_path: Path) -> None:
    """A process loses its locks on a file when it closes any descriptor of it; others could then remove the log that is in use."""
    play(tmp_path, lambda store: store.put(SPACE, b"k", b"v"))
    reader = state_file.open_reading(tmp_path)
    assert locks(tmp_path / FILE)
    writing = state_file.open_writing(tmp_path, 0)
    assert locks(tmp_path / FILE)
    writing.connection.close()
    reader.connection.close()
    assert not locks(tmp_path / FILE)


def test_a_store_that_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to("elsewhere")
    with pytest.raises(OSError, match="not a regular file"):
        state_file.open_writing(tmp_path, 0)
