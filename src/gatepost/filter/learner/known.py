"""Which messages the learner has been taught, and as what: so that each counts once, and a correction is known for one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import lmdb

NAME: Final = "learner.messages"
_MOST: Final = 1 << 30
_KINDS: Final = {b"s": True, b"h": False}


class Known:
    """A change of what is known; what is put within counts at its end."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def get(self, message: bytes) -> bool | None:
        """Whether a message was taught as spam; None where it was not taught."""
        value = self._transaction.get(message)
        return None if value is None else _KINDS[bytes(value)]

    def put(self, message: bytes, spam: bool | None) -> None:
        """That it was taught so; None: not any more."""
        if spam is None:
            self._transaction.delete(message)
        else:
            self._transaction.put(message, b"s" if spam else b"h")


@contextmanager
def known(folder: Path) -> Iterator[Known]:
    """What is known below a folder (`filter` of data_directory); made where it is missing. Raises OSError."""
    place = folder / NAME
    for one in (folder, place):
        one.mkdir(mode=0o700, exist_ok=True)
    try:
        environment = lmdb.open(str(place), map_size=_MOST, mode=0o600)
    except lmdb.Error as error:
        raise OSError(f"{place}: {error}") from None
    try:
        with environment.begin(write=True) as transaction:
            yield Known(transaction)
    finally:
        environment.close()
