"""The file of the store: an SQLite database, how it is opened, and how a damaged one is set aside.

One table in the order of its keys, and no index by expiry, which would double what each change writes (measured: decision 0021).
What has expired is found by a sweep in the order of keys (changes.py).
"""

import contextlib
import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from gatepost.state.port import Entry, MayLose, Space

FOLDER: Final = "state"
"""Below data_directory."""
NAME: Final = "state.sqlite"
_SIDE_FILES: Final = ("", "-wal", "-shm")
_BUSY: Final = 1.0  # seconds to wait for somebody who writes without the lock of writer_lock.py, such as a person with sqlite3(1)
_REPLACED: Final = 5  # times that a file may be replaced while it is opened
_CHECKPOINT: Final = 4096  # pages of log after which they are copied into the file: several changes of a page are one copy then
_VERSION: Final = 1
_TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE entry(key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE place(revision INTEGER NOT NULL, swept_to BLOB NOT NULL);
INSERT INTO place VALUES (0, x'');
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_PLACE: Final = "SELECT revision FROM place WHERE typeof(revision) = 'integer' AND typeof(swept_to) = 'blob'"
_SYNCHRONOUS: Final = {MayLose.NOTHING: "FULL", MayLose.LAST_SECOND: "NORMAL"}
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH})

FileIdentity = tuple[int, int]
"""Device and inode: what tells a file from another one of the same name."""
NO_FILE: Final[FileIdentity] = (0, 0)


class Opened(Struct, frozen=True):
    """A connection, and the file that it is to, which had the name before it was opened and after."""

    connection: sqlite3.Connection
    identity: FileIdentity


class Damaged(sqlite3.DatabaseError):
    """The file is no sound store."""


class NewerFormat(sqlite3.DatabaseError):
    """The file is of a later Gatepost. It is sound, and not ours to touch."""


def stored_key(space: Space, key: bytes) -> bytes:
    """The key of a key in its space, as it stands in the file."""
    return b"%s\0%s" % (space.name.encode("ascii"), key)


def own_key(stored: bytes) -> bytes:
    """The key without its space."""
    return stored.partition(b"\0")[2]


def end_of(prefix: bytes) -> bytes:
    """The first key that sorts behind all that begin with `prefix`, a stored one: it begins with the name of a space."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes((cut[-1] + 1,))


def entry_of(value: object, revision: object, expires: object) -> Entry | None:
    """What a row holds; None where that was never stored: SQLite keeps whatever it is given."""
    if isinstance(value, bytes) and isinstance(revision, int) and revision > 0 and isinstance(expires, float):
        return Entry(value, revision, expires)
    return None


def open_writing(folder: Path, size_limit: int) -> Opened:
    """A connection to the store, which is made where there is none. `size_limit`: octets of the file, 0 for any. Raises
    sqlite3.Error, OSError."""
    file = folder / NAME
    if file.exists() and not file.stat().st_size:
        raise Damaged("it is empty")  # others may be at work on it still
    _make(file)
    return _of_one_file(folder, lambda: _connected_to_write(file, size_limit))


def open_reading(folder: Path) -> Opened:
    """A connection that changes nothing, and once it is open waits for nobody. Raises sqlite3.Error."""
    return _of_one_file(folder, lambda: _connected_to_read(folder / NAME))


def _of_one_file(folder: Path, connect: Callable[[], sqlite3.Connection]) -> Opened:
    """Nobody tells which file SQLite has opened; so it is the one that had the name before and has it afterwards."""
    for _ in range(_REPLACED):
        before = identity(folder)
        connection = connect()
        if before != NO_FILE and before == identity(folder):
            return Opened(connection, before)
        connection.close()
    raise sqlite3.OperationalError("it is replaced again and again")


def _connected_to_write(file: Path, size_limit: int) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    with _closed_on_failure(connection):
        _prepare(connection)
        _check_version(connection)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}").fetchall()
        if size_limit:
            page = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {max(size_limit // page, 16)}").fetchall()
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            connection.executescript(_TABLES)
        _check_tables(connection)
    return connection


def _connected_to_read(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    with _closed_on_failure(connection):
        _prepare(connection)
        _check_version(connection)
        connection.execute("PRAGMA query_only = ON").fetchall()
        _check_tables(connection)
        connection.execute("PRAGMA busy_timeout = 0").fetchall()  # from now on in an event loop
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


def set_durability(connection: sqlite3.Connection, may_lose: MayLose) -> None:
    """What the next commits of a connection may lose: those of NOTHING are synced, and with them all before."""
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[may_lose]}").fetchall()


def identity(folder: Path) -> FileIdentity:
    """The file that is there now; NO_FILE for none."""
    try:
        status = (folder / NAME).stat()
    except OSError:
        return NO_FILE
    return status.st_dev, status.st_ino


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is no sound store."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return isinstance(error, Damaged)
    if code == sqlite3.SQLITE_ERROR:
        return "no such table" in str(error) or "no such column" in str(error)  # our statements are sound, so the file is not
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


def is_busy(error: Exception) -> bool:
    """Whether somebody puts the file in order at the moment: who opens it first after a crash, or closes it last."""
    return _primary_code(error) == sqlite3.SQLITE_BUSY


def is_full(error: Exception) -> bool:
    """Whether the file has its largest size, or the disk is full."""
    return _primary_code(error) == sqlite3.SQLITE_FULL


def _primary_code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF


def set_aside(folder: Path) -> Path:
    """Give the file another name, beside it; which one. Raises OSError."""
    aside = folder / f"{NAME}.damaged.{time.time_ns()}"
    for suffix in _SIDE_FILES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder / (NAME + suffix), f"{aside}{suffix}")
    return aside


def _prepare(connection: sqlite3.Connection) -> None:
    """What runs by itself in a database, views, triggers and virtual tables, is none of ours. Nothing is mapped into memory, where
    a file that is cut short would end the process (SIGBUS). Text, which we never store, is no error but a row to be judged."""
    connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
    for pragma in ("trusted_schema = OFF", "secure_delete = OFF", "temp_store = MEMORY", "mmap_size = 0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _check_version(connection: sqlite3.Connection) -> None:
    """Raises NewerFormat, and Damaged for what no Gatepost has made. A file without tables is a new one."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise NewerFormat(
            f"it has format {version}, of a newer Gatepost (this one knows {_VERSION}): left as it is; "
            "upgrade Gatepost again, or move the file away to begin with an empty one"
        )
    if version != _VERSION and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise Damaged(f"format {version} of its tables, wanted: {_VERSION}")


def _check_tables(connection: sqlite3.Connection) -> None:
    if len(connection.execute(_PLACE).fetchall()) != 1:
        raise Damaged("table place does not hold one sound row")
    connection.execute("SELECT value, revision, expires FROM entry WHERE key = x''").fetchall()


@contextlib.contextmanager
def _closed_on_failure(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
