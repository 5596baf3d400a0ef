"""The file of the store: an SQLite database, how it is opened, and how a damaged one is set aside.

One table in the order of its keys, and no index by expiry, which would double what each change writes (measured: decision 0021).
What has expired is found by a hand that goes round in the order of keys (changes.py).
"""

import contextlib
import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gatepost.state.port import MayLose, Space

FOLDER: Final = "state"
"""Below data_directory."""
NAME: Final = "state.sqlite"
_SIDE_FILES: Final = ("", "-wal", "-shm")
_BUSY: Final = 1.0  # seconds to wait for somebody who writes without the lock of writer_lock.py, such as a person with sqlite3(1)
_CHECKPOINT: Final = 4096  # pages of log after which they are copied into the file: several changes of a page are one copy then
_VERSION: Final = 1
_TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE entry(key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE place(revision INTEGER NOT NULL, hand BLOB NOT NULL);
INSERT INTO place VALUES (0, x'');
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_SYNCHRONOUS: Final = {MayLose.NOTHING: "FULL", MayLose.LAST_SECOND: "NORMAL"}
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH})


class UnknownVersion(sqlite3.DatabaseError):
    """The file is of a Gatepost that is not ours, or of no Gatepost."""


def stored_key(space: Space, key: bytes) -> bytes:
    """The key of a key in its space, as it stands in the file."""
    return b"%s\0%s" % (space.name.encode("ascii"), key)


def own_key(stored: bytes) -> bytes:
    """The key without its space."""
    return stored.partition(b"\0")[2]


def after(prefix: bytes) -> bytes:
    """The first key that sorts behind all that begin with `prefix`, a stored one: it begins with the name of a space."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes((cut[-1] + 1,))


def open_writing(folder: Path, size_limit: int) -> sqlite3.Connection:
    """A connection to the store, which is made where there is none. `size_limit`: octets of the file, 0 for any. Raises
    sqlite3.Error, OSError."""
    file = folder / NAME
    if file.exists() and not file.stat().st_size:
        raise UnknownVersion("it is empty")  # others may be at work on it still
    _make(file)
    connection = sqlite3.connect(file, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    with _closed_on_failure(connection):
        _prepare(connection)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}").fetchall()
        if size_limit:
            page = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {max(size_limit // page, 16)}").fetchall()
        version, tables = _version(connection)
        if (version, tables) == (0, 0):
            connection.executescript(_TABLES)
        elif version != _VERSION:
            raise UnknownVersion(f"version {version} of its tables, wanted: {_VERSION}")
        connection.execute("SELECT revision, length(hand) FROM place").fetchall()
    return connection


def _make(file: Path) -> None:
    """An empty file where there is none. Raises OSError.

    One that is there is never opened but by SQLite: whoever closes any descriptor of a file loses all locks that his process has
    on it (fcntl(2)), and the reader's lock is what keeps others from removing the log under it.
    """
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not stat.S_ISREG(os.lstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(file)) from None


def open_reading(folder: Path) -> sqlite3.Connection:
    """A connection that changes nothing, and once it is open waits for nobody. Raises sqlite3.Error."""
    connection = sqlite3.connect(folder / NAME, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    with _closed_on_failure(connection):
        _prepare(connection)
        connection.execute("PRAGMA query_only = ON").fetchall()
        connection.execute("SELECT revision FROM place").fetchall()
        connection.execute("PRAGMA busy_timeout = 0").fetchall()  # from now on in an event loop
    return connection


def may_lose(connection: sqlite3.Connection, what: MayLose) -> None:
    """What the next commits of a connection may lose: those of NOTHING are synced, and with them all before."""
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[what]}").fetchall()


def identity(folder: Path) -> int:
    """What tells the file that is there now from one that was set aside; 0 for none."""
    try:
        return (folder / NAME).stat().st_ino
    except OSError:
        return 0


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is no sound store."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return isinstance(error, UnknownVersion | _Unreadable)
    if code == sqlite3.SQLITE_ERROR:
        return "no such table" in str(error)  # our statements are sound, so that it is the file that is not
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


def is_busy(error: Exception) -> bool:
    """Whether somebody puts the file in order at the moment: who opens it first after a crash, or closes it last."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF == sqlite3.SQLITE_BUSY


def set_aside(folder: Path) -> Path:
    """Give the file another name, beside it; which one. Raises OSError."""
    aside = folder / f"{NAME}.damaged.{time.time_ns()}"
    for suffix in _SIDE_FILES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder / (NAME + suffix), f"{aside}{suffix}")
    return aside


class _Unreadable(sqlite3.DatabaseError):
    """A row holds what was never stored."""


def checked(value: object, revision: object, expires: object) -> tuple[bytes, int, float]:
    """What a row holds: SQLite keeps whatever it is given. Raises sqlite3.DatabaseError."""
    if isinstance(value, bytes) and isinstance(revision, int) and isinstance(expires, float):
        return value, revision, expires
    raise _Unreadable("a row that was never stored")


def _prepare(connection: sqlite3.Connection) -> None:
    """What runs by itself in a database, views, triggers and virtual tables, is none of ours. Nothing is mapped into memory, where
    a file that is cut short would end the process (SIGBUS)."""
    for pragma in ("trusted_schema = OFF", "secure_delete = OFF", "temp_store = MEMORY", "mmap_size = 0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _version(connection: sqlite3.Connection) -> tuple[int, int]:
    """The version of the tables, and how many there are."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return version, connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]


@contextlib.contextmanager
def _closed_on_failure(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
