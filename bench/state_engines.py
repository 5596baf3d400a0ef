"""LMDB beside SQLite as what keeps shared state (decision 0021): `python -m bench.state_engines [--entries N] [engine...]`.

Each engine as it would be used: keys of some 60 octets in no order, values of 24, an index by expiry. Told are CPU microseconds
a get and a put (alone, and twenty a transaction), the longest get while another process writes, growth under churn, how long a
writer waits for one that was stopped (SIGSTOP) within its transaction, and what becomes of a reader whose file is cut short
under it.
"""

import argparse
import hashlib
import os
import shutil
import signal
import sqlite3
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import lmdb

Row = tuple[bytes, bytes, float]
_VALUE = b"v" * 24
_BATCH = 20


def key(number: int) -> bytes:
    """The key of a number, as a triplet of a greylister looks."""
    digest = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=12).hexdigest()
    return f"192.0.2.{number % 256}/{digest}@example.com/someone{number % 1000}@example.net".encode()


class Engine(Protocol):
    def get(self, key: bytes) -> bytes | None: ...
    def put(self, rows: Sequence[Row]) -> None: ...
    def expire(self, now: float, most: int) -> int: ...
    def close(self) -> None: ...
    def begin(self) -> object:
        """Be in the middle of a transaction that writes."""
        ...


class Lmdb:
    """One environment, two databases; keys beyond 511 octets would have to be hashed."""

    def __init__(self, folder: Path) -> None:
        self._environment = lmdb.open(str(folder), map_size=1 << 36, max_dbs=2, sync=False, metasync=False)
        self._rows = self._environment.open_db(b"rows")
        self._expiry = self._environment.open_db(b"expiry", dupsort=True)

    def get(self, key: bytes) -> bytes | None:
        with self._environment.begin(self._rows) as transaction:
            return transaction.get(key)  # type: ignore[no-any-return]

    def put(self, rows: Sequence[Row]) -> None:
        with self._environment.begin(write=True) as transaction:
            for name, value, expires in rows:
                stamp = struct.pack(">d", expires)
                old = transaction.get(name, db=self._rows)
                if old is not None:
                    transaction.delete(old[:8], name, db=self._expiry)
                transaction.put(name, stamp + value, db=self._rows)
                transaction.put(stamp, name, db=self._expiry)

    def expire(self, now: float, most: int) -> int:
        gone = 0
        with self._environment.begin(write=True) as transaction, transaction.cursor(self._expiry) as cursor:
            there = cursor.first()
            while there and gone < most and struct.unpack(">d", cursor.key())[0] <= now:
                transaction.delete(cursor.value(), db=self._rows)
                there = cursor.delete()
                gone += 1
        return gone

    def close(self) -> None:
        self._environment.close()

    def begin(self) -> object:
        return self._environment.begin(write=True)


class Sqlite:
    """WAL, one table without row numbers, an index by expiry."""

    def __init__(self, folder: Path) -> None:
        self._connection = connection = sqlite3.connect(folder / "state.sqlite", isolation_level=None, timeout=1.0)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE IF NOT EXISTS entry (key BLOB PRIMARY KEY, value BLOB, expires REAL) WITHOUT ROWID")
        connection.execute("CREATE INDEX IF NOT EXISTS expiry ON entry (expires)")

    def get(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT value FROM entry WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def expire(self, now: float, most: int) -> int:
        return self._connection.execute(
            "DELETE FROM entry WHERE key IN (SELECT key FROM entry WHERE expires <= ? ORDER BY expires LIMIT ?)", (now, most)
        ).rowcount

    def close(self) -> None:
        self._connection.close()

    def begin(self) -> object:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection


ENGINES: dict[str, Callable[[Path], Engine]] = {"lmdb": Lmdb, "sqlite": Sqlite}


def _tell(engine: str, what: str, figure: str) -> None:
    print(f"{engine:8} {what:48} {figure}", flush=True)


def _cpu(work: Callable[[], object], count: int) -> str:
    start, wall = time.process_time(), time.perf_counter()
    work()
    return f"{(time.process_time() - start) / count * 1e6:.1f} us CPU, {(time.perf_counter() - wall) / count * 1e6:.1f} us"


def _child(body: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(0)
    return pid


def _size(folder: Path) -> str:
    return f"{sum(file.stat().st_blocks * 512 for file in folder.iterdir()) / 1e6:.0f} MB"


def measure(name: str, folder: Path, entries: int) -> None:
    """Everything of one engine."""
    make, now = ENGINES[name], time.time()
    engine = make(folder)

    def load() -> None:
        for first in range(0, entries, 10_000):
            engine.put(
                [(key(number), _VALUE, now + number * 86400 / entries) for number in range(first, min(first + 10_000, entries))]
            )

    _tell(name, f"loading {entries} entries, one each", _cpu(load, entries))
    _tell(name, "size", _size(folder))
    some = [key(number * 7919 % entries) for number in range(20_000)]
    _tell(name, "get", _cpu(lambda: [engine.get(one) for one in some], len(some)))
    rows = [(one, _VALUE, now + 86400 + place) for place, one in enumerate(some)]
    _tell(name, "put, one a transaction", _cpu(lambda: [engine.put([row]) for row in rows[:4000]], 4000))
    batches = [rows[first : first + _BATCH] for first in range(4000, len(rows), _BATCH)]
    _tell(name, f"put, {_BATCH} a transaction", _cpu(lambda: [engine.put(batch) for batch in batches], len(batches) * _BATCH))
    _tell(name, f"expiry, {_BATCH} a step", _cpu(lambda: [engine.expire(now + 3600, _BATCH) for _ in range(500)], 500 * _BATCH))
    _churn(name, engine, folder, now, entries)
    engine.close()
    _beside(name, make, folder, some)
    _stopped(name, make, folder)
    _cut_short(name, make, folder, some)


def _churn(name: str, engine: Engine, folder: Path, now: float, entries: int) -> None:
    """As many new entries as go, for a tenth of all."""
    longest = 0.0
    for first in range(entries, entries + entries // 10, 200):
        engine.put([(key(number), _VALUE, now + 200_000 + number) for number in range(first, first + 200)])
        start = time.perf_counter()
        engine.expire(now + 86400, 200)
        longest = max(longest, time.perf_counter() - start)
    _tell(name, "size after a tenth was replaced", _size(folder))
    _tell(name, "longest step of 200 expiries", f"{longest * 1e3:.1f} ms")


def _beside(name: str, make: Callable[[Path], Engine], folder: Path, some: Sequence[bytes]) -> None:
    """Gets while two other processes write as fast as they can."""

    def write() -> None:
        engine = make(folder)
        for place in range(0, len(some), _BATCH):
            while True:
                try:
                    engine.put([(one, _VALUE, time.time() + 86400) for one in some[place : place + _BATCH]])
                    break
                except sqlite3.OperationalError:
                    continue

    writers = [_child(write) for _ in range(2)]
    engine = make(folder)
    waits = []
    for one in some:
        start = time.perf_counter()
        engine.get(one)
        waits.append(time.perf_counter() - start)
    waits.sort()
    _tell(
        name,
        "get beside two writers: median, 99.9 %, longest",
        " ".join(f"{waits[at] * 1e3:.3f}" for at in (-10000, -20, -1)) + " ms",
    )
    for pid in writers:
        os.waitpid(pid, 0)


def _stopped(name: str, make: Callable[[Path], Engine], folder: Path) -> None:
    """A put while another writer is stopped within its transaction."""
    told, tell = os.pipe()

    def hold() -> None:
        engine = make(folder)
        held: Any = engine.begin()
        os.write(tell, b"\n")
        time.sleep(60)
        del held

    holder = _child(hold)
    os.read(told, 1)
    os.kill(holder, signal.SIGSTOP)

    def write() -> None:
        start = time.perf_counter()
        try:
            make(folder).put([(b"k", _VALUE, time.time())])
            os.write(tell, f"after {time.perf_counter() - start:.2f} s".encode())
        except Exception as error:
            os.write(tell, f"{error} after {time.perf_counter() - start:.2f} s".encode())

    writer = _child(write)
    time.sleep(5)
    if os.waitpid(writer, os.WNOHANG)[0] == 0:
        os.write(tell, b"waits still, after 5 s, and cannot be told to give up")
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    _tell(name, "a put while another writer is stopped", os.read(told, 200).decode())
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    start = time.perf_counter()
    make(folder).put([(b"k", _VALUE, time.time())])
    _tell(name, "a put once it was killed", f"after {time.perf_counter() - start:.3f} s")


def _cut_short(name: str, make: Callable[[Path], Engine], folder: Path, some: Sequence[bytes]) -> None:
    told, tell = os.pipe()

    def read() -> None:
        engine = make(folder)
        engine.get(some[0])
        for file in folder.iterdir():
            if file.name in ("data.mdb", "state.sqlite"):
                os.truncate(file, 1 << 20)
        try:
            for one in some:
                engine.get(one)
            os.write(tell, b"reads on")
        except Exception as error:
            os.write(tell, repr(error).encode())

    status = os.waitpid(_child(read), 0)[1]
    os.close(tell)
    text = os.read(told, 200).decode()
    _tell(name, "a reader whose file is cut short", f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("engines", nargs="*", default=list(ENGINES))
    asked = parser.parse_args()
    for name in asked.engines:
        folder = Path(tempfile.mkdtemp(prefix="gatepost-state-", dir=asked.folder))
        try:
            measure(name, folder, asked.entries)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
