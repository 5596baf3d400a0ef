"""What Bayes has learned: an LMDB database below data_directory, mapped into the memory of every process that looks.

Who looks never waits for who learns, sees a change as a whole or not at all, and opens nothing once it runs: so a scanner behind
walls sees what is learned meanwhile. Who learns is one at a time (LMDB has the lock, which ends with its process), and what was
not committed when the power failed was not learned.

Tables: `tokens` (five octets: how often in spam, in ham, when last), `messages` (20 octets: learned as what, when), `counts`.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import lmdb

from gatepost.filter.bayes.port import Count, Learned

NAME: Final = "bayes"
_MOST: Final = 4 << 30
"""Octets that the file may come to. It takes as much as is in it."""
_COUNT: Final = struct.Struct("<III")
_LEARNED: Final = struct.Struct("<QQ")
_SEEN: Final = struct.Struct("<cI")
_TABLES: Final = (b"tokens", b"messages", b"counts")
_LARGEST: Final = 0xFFFFFFFF


class Store:
    """What has been learned, for whoever only looks (`Memory`)."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._tokens, self._messages, self._counts = (environment.open_db(name, create=False) for name in _TABLES)
        with environment.begin(buffers=True):
            pass  # what LMDB keeps of a reader is made now, before walls go up

    def learned(self) -> Learned:
        with self._environment.begin(db=self._counts) as transaction:
            return _learned(transaction.get(b"learned"))

    def counts(self, tokens: Iterable[bytes]) -> Mapping[bytes, Count]:
        with self._environment.begin(db=self._tokens) as transaction:
            return {token: Count(*_COUNT.unpack(value)) for token in tokens if (value := transaction.get(token))}

    def size(self) -> int:
        """How many tokens there are."""
        with self._environment.begin() as transaction:
            return int(transaction.stat(self._tokens)["entries"])

    def tokens(self) -> Iterator[tuple[bytes, Count]]:
        """All of them, in order."""
        with self._environment.begin(db=self._tokens) as transaction:
            for token, value in transaction.cursor():
                yield bytes(token), Count(*_COUNT.unpack(value))

    def messages(self) -> Iterator[tuple[bytes, bool]]:
        """What has been learned, and whether as spam."""
        with self._environment.begin(db=self._messages) as transaction:
            for message, value in transaction.cursor():
                yield bytes(message), value[:1] == b"s"

    def close(self) -> None:
        self._environment.close()

    @contextmanager
    def change(self) -> Iterator["Change"]:
        """What is done within is done as a whole, or not at all where it raises. Waits for others who write."""
        self._environment.reader_check()
        with self._environment.begin(write=True) as transaction:
            yield Change(transaction, self._tokens, self._messages, self._counts)


class Change:
    """A change of the store."""

    def __init__(self, transaction: Any, tokens: Any, messages: Any, counts: Any) -> None:
        self._transaction = transaction
        self._tokens = tokens
        self._messages = messages
        self._counts = counts

    def seen(self, message: bytes) -> bool | None:
        """Whether a message was learned as spam; None where it was not learned."""
        value = self._transaction.get(message, db=self._messages)
        return None if value is None else value[:1] == b"s"

    def remember(self, message: bytes, spam: bool | None, at: int) -> None:
        """That a message was learned so; None: not any more."""
        if spam is None:
            self._transaction.delete(message, db=self._messages)
        else:
            self._transaction.put(message, _SEEN.pack(b"s" if spam else b"h", at), db=self._messages)

    def add(self, tokens: Iterable[bytes], spam: int, ham: int, at: int) -> None:
        """So many more messages, or fewer, had these tokens."""
        for token in sorted(tokens):
            value = self._transaction.get(token, db=self._tokens)
            before = Count(*_COUNT.unpack(value)) if value else Count()
            self.put(token, Count(max(0, before.spam + spam), max(0, before.ham + ham), max(before.seen_at, at)))

    def put(self, token: bytes, count: Count) -> None:
        """A token as it is from now on; gone where it was in no message."""
        if count.spam or count.ham:
            value = _COUNT.pack(min(count.spam, _LARGEST), min(count.ham, _LARGEST), min(count.seen_at, _LARGEST))
            self._transaction.put(token, value, db=self._tokens)
        else:
            self._transaction.delete(token, db=self._tokens)

    def count(self, spam: int, ham: int) -> None:
        """So many more messages, or fewer, have been learned."""
        before = _learned(self._transaction.get(b"learned", db=self._counts))
        after = _LEARNED.pack(max(0, before.spam + spam), max(0, before.ham + ham))
        self._transaction.put(b"learned", after, db=self._counts)

    def size(self) -> tuple[int, int]:
        """How many tokens and messages there are."""
        return tuple(int(self._transaction.stat(table)["entries"]) for table in (self._tokens, self._messages))  # type: ignore[return-value]

    def ages(self) -> Iterator[tuple[bytes, int]]:
        """Each token, and when it was last seen."""
        for token, value in self._transaction.cursor(db=self._tokens):
            yield bytes(token), _COUNT.unpack(value)[2]

    def message_ages(self) -> Iterator[tuple[bytes, int]]:
        """Each message that was learned, and when."""
        for message, value in self._transaction.cursor(db=self._messages):
            yield bytes(message), _SEEN.unpack(value)[1]

    def forget_tokens(self, tokens: Iterable[bytes]) -> None:
        for token in tokens:
            self._transaction.delete(token, db=self._tokens)

    def clear(self) -> None:
        """Forget everything."""
        for table in (self._tokens, self._messages, self._counts):
            self._transaction.drop(table, delete=False)


def _learned(value: bytes | None) -> Learned:
    spam, ham = _LEARNED.unpack(value) if value else (0, 0)
    return Learned(ham=ham, spam=spam)


def open_memory(folder: Path, *, make: bool = False) -> Store | None:
    """What lies below a folder (`filter` of data_directory), for looking only; to be called by the process that looks, before its
    walls go up. None where there is nothing; `make`: then make it, so that what is learned later is seen. Raises OSError."""
    place = folder / NAME
    if make:
        open_store(folder).close()
    if not (place / "data.mdb").exists():
        return None
    return Store(_environment(place, readonly=True))


def open_store(folder: Path) -> Store:
    """The same for whoever learns; made where it is missing. Raises OSError."""
    place = folder / NAME
    for one in (folder, place):
        one.mkdir(mode=0o700, exist_ok=True)
    environment = _environment(place, readonly=False)
    for name in _TABLES:
        environment.open_db(name, create=True)
    return Store(environment)


def _environment(place: Path, *, readonly: bool) -> Any:
    try:
        return lmdb.open(
            str(place), map_size=_MOST, max_dbs=len(_TABLES), mode=0o600, readonly=readonly, create=not readonly, max_readers=1024
        )
    except lmdb.Error as error:
        raise OSError(f"{place}: {error}") from None
