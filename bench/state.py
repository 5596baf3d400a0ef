"""What the shared state costs: `python -m bench.state [--entries N]` (docs/figures.md; decision 0021).

A store of many entries, keys as a greylister's. Told are CPU microseconds of a get, a put and a compare-and-set (the writing thread
included), how late the event loop's timers are while this process and two others write, growth while as many expire as come, and
how long a put takes whose writer's turn is held by a process that was stopped and is then killed.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from bench.state_engines import key

from gatepost.state import state_file
from gatepost.state.port import Space
from gatepost.state.sqlite_store import SqliteStateStore
from gatepost.state.writer_lock import writer_lock

_SPACE = Space("greylist")
_VALUE = b"v" * 24
_TOGETHER = 20


def _tell(what: str, figure: str) -> None:
    print(f"{what:64} {figure}", flush=True)


def _load(folder: Path, entries: int, now: float) -> None:
    """Fill the file; a tenth of the entries, in no order, is about to expire."""
    connection = state_file.open_writing(folder, 0).connection
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    rows = sorted((state_file.stored_key(_SPACE, key(number)), number) for number in range(entries))
    connection.executemany(
        "INSERT INTO entry VALUES (?, ?, ?, ?)", ((name, _VALUE, n + 1, now + (10 if n % 10 == 0 else 86400)) for name, n in rows)
    )
    connection.execute("COMMIT")
    connection.close()


async def _cost(what: str, works: list[Callable[[], Awaitable[object]]], together: int) -> None:
    async def one(own: list[Callable[[], Awaitable[object]]]) -> None:
        for work in own:
            await work()

    start, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one(works[number::together]) for number in range(together)))
    cpu, passed = time.process_time() - start, time.perf_counter() - wall
    _tell(what, f"{cpu / len(works) * 1e6:.1f} us CPU, {len(works) / passed:,.0f}/s")


def _control(seconds: float) -> Callable[[], str]:
    """How late an idle loop of another process is meanwhile: what the machine itself costs."""
    told, tell = os.pipe()
    if os.fork() == 0:
        gaps: list[float] = []
        try:
            uvloop.run(_late(seconds, gaps))
            os.write(tell, _gaps(gaps).encode())
        finally:
            os._exit(0)

    def answer() -> str:
        os.wait()
        return os.read(told, 200).decode()

    return answer


async def _late(seconds: float, gaps: list[float]) -> None:
    """How late the loop comes, every millisecond."""
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - now - 0.001)


def _gaps(gaps: list[float]) -> str:
    gaps.sort()
    told = (("99 %", 100), ("99.9 %", 1000), ("longest", len(gaps)))
    return ", ".join(f"{what} {gaps[-len(gaps) // share - 1 if share < len(gaps) else -1] * 1e3:.2f} ms" for what, share in told)


def _opened(folder: Path, clock: Callable[[], float] = time.time) -> SqliteStateStore:
    return SqliteStateStore(folder, clock=clock, warn=lambda text: _tell("warning", text))


def _neighbour(folder: Path, entries: int, rate: int) -> int:
    """Another process that puts `rate` entries a second."""

    async def write() -> None:
        store, number = _opened(folder), os.getpid() * 31
        while True:
            number += 7919
            await asyncio.gather(
                *(store.put(_SPACE, key((number + one) % entries), _VALUE, time.time() + 86400) for one in range(rate // 100))
            )
            await asyncio.sleep(0.01)

    if (pid := os.fork()) == 0:
        try:
            uvloop.run(write())
        finally:
            os._exit(0)
    return pid


async def _costs(folder: Path, entries: int) -> None:
    store, now = _opened(folder), time.time()
    some = [key(number * 7919 % entries) for number in range(20_000)]
    await _cost("get", [lambda one=one: store.get(_SPACE, one) for one in some], 1)  # type: ignore[misc]
    await _cost("put, 20 together", [lambda one=one: store.put(_SPACE, one, _VALUE, now + 86400) for one in some], _TOGETHER)  # type: ignore[misc]
    await _cost("put, one after the other", [lambda one=one: store.put(_SPACE, one, _VALUE, now + 86400) for one in some[:4000]], 1)  # type: ignore[misc]
    found = {one: await store.get(_SPACE, one) for one in some}
    await _cost(
        "compare and set, 20 together",
        [
            lambda one=one, is_=is_: store.compare_and_set(_SPACE, one, _VALUE, is_.revision, now + 86400)
            for one, is_ in found.items()
            if is_
        ],  # type: ignore[misc]
        _TOGETHER,
    )
    await store.close()


async def _stalls(folder: Path, entries: int) -> None:
    store, pids, gaps = _opened(folder), [_neighbour(folder, entries, 1000) for _ in range(2)], list[float]()
    idle = _control(20)

    async def use() -> None:
        for number in range(10**9):
            if await store.get(_SPACE, key(number * 104729 % entries)):
                await store.put(_SPACE, key(number * 7919 % entries), _VALUE, time.time() + 86400)

    using = [asyncio.ensure_future(use()) for _ in range(2)]
    await _late(20, gaps)
    _tell("lateness of a loop that gets and puts beside two writers", _gaps(gaps))
    _tell("lateness of an idle loop meanwhile", idle())
    for task in using:
        task.cancel()
    await asyncio.gather(*using, return_exceptions=True)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # noqa: ASYNC222
    await store.close()


async def _churn(folder: Path, entries: int) -> None:
    """As many come as have expired: a tenth of all."""
    later = time.time() + 3600
    before = (folder / state_file.NAME).stat().st_size
    store = _opened(folder, lambda: later)
    start = time.process_time()
    for first in range(entries, entries + entries // 10, 100):
        await asyncio.gather(*(store.put(_SPACE, key(number), _VALUE, later + 86400) for number in range(first, first + 100)))
    cpu = (time.process_time() - start) / (entries // 10) * 1e6
    await store.close()
    with sqlite3.connect(folder / state_file.NAME) as connection:
        ((left,),) = connection.execute("SELECT count(*) FROM entry WHERE expires <= ?", (later,)).fetchall()
    after = (folder / state_file.NAME).stat().st_size
    _tell("a tenth replaced: size before and after, expired ones left", f"{before / 1e6:.0f} MB, {after / 1e6:.0f} MB, {left}")
    _tell("put while others expire, 100 together", f"{cpu:.1f} us CPU")


async def _stopped(folder: Path) -> None:
    told, tell = os.pipe()
    if (pid := os.fork()) == 0:
        lock = writer_lock(folder)
        lock.take(1.0)
        os.write(tell, b"\n")
        signal.pause()
    os.read(told, 1)
    os.kill(pid, signal.SIGSTOP)
    store = _opened(folder)
    start, gaps = time.perf_counter(), list[float]()
    putting = asyncio.ensure_future(store.put(_SPACE, b"k", _VALUE))
    await _late(1.0, gaps)
    assert await store.get(_SPACE, b"none") is None
    assert not putting.done()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # noqa: ASYNC222
    await putting
    _tell("lateness of the loop while a writer is stopped", _gaps(gaps))
    _tell("a put beside a writer that is stopped and killed after 1 s", f"{time.perf_counter() - start:.3f} s")
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gatepost-state-", dir=asked.folder))
    try:
        _load(folder, asked.entries, time.time())
        _tell(f"size of {asked.entries:,} entries", f"{(folder / state_file.NAME).stat().st_size / 1e6:.0f} MB")
        uvloop.run(_costs(folder, asked.entries))
        uvloop.run(_stalls(folder, asked.entries))
        uvloop.run(_stopped(folder))
        uvloop.run(_churn(folder, asked.entries))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
