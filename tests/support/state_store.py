"""Plays with the state store of one machine, and other processes beside them."""

import asyncio
import contextlib
import os
import signal
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from gatepost.state.port import MayLose, Space
from gatepost.state.sqlite_store import SqliteStateStore
from gatepost.state.state_file import NAME

SPACE, DURABLE = Space("one"), Space("two", MayLose.NOTHING)
FILE = NAME


@contextlib.asynccontextmanager
async def opened(folder: Path, warned: list[str] | None = None, **more: Any) -> AsyncIterator[SqliteStateStore]:
    store = SqliteStateStore(
        folder, **{"clock": time.time, "warn": (warned if warned is not None else []).append, "patience": 0.2, **more}
    )
    try:
        yield store
    finally:
        await store.close()


def play(folder: Path, scenes: Callable[[SqliteStateStore], Awaitable[object]], **more: Any) -> list[str]:
    """Run a play with a store; what it warned of."""
    warned: list[str] = []

    async def whole() -> None:
        async with opened(folder, warned, **more) as store:
            await scenes(store)

    asyncio.run(whole())
    return warned


@contextlib.contextmanager
def process(body: Callable[[Callable[[], object]], object]) -> Iterator[int]:
    """Another process that runs `body(ready)`; is here once that was called. Killed in the end."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            body(lambda: os.write(tell, b"\n"))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert os.read(told, 1) == b"\n"
        yield pid
    finally:
        os.close(told)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


async def fill(store: SqliteStateStore) -> None:
    await asyncio.gather(*(store.put(SPACE, b"%d" % number, b"v" * 100) for number in range(2000)))


def locks(file: Path) -> list[str]:
    """The kernel's lines about locks on the file."""
    node = f":{file.stat().st_ino} "
    return [line for line in Path("/proc/locks").read_text().splitlines() if node in line]
