"""What the learner has learned: a file below data_directory, mapped into the memory of every process that looks.

It holds everything twice. Who learns works on the half that is not in use, writes it to the disk, and only then says, by one octet,
that it is the one in use: so who looks waits for nobody, and a crash at any moment leaves what was there before. Who looks opens
nothing once it runs: a scanner behind walls sees what is learned meanwhile.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from typing import Final

from gatepost.filter.learner.features import SLOTS
from gatepost.filter.learner.model import Bias, Slots, learn
from gatepost.filter.learner.port import Settings

NAME: Final = "learner"
_MAGIC: Final = b"gatepost learner 1\n"
_IN_USE: Final = 64
"""Where the octet stands that says which half is in use."""
_PAGE: Final = 4096
_TABLE: Final = 4 * SLOTS
_HALF: Final = _PAGE + 2 * _TABLE
_SIZE: Final = _PAGE + 2 * _HALF
_HEAD: Final = struct.Struct("=QQdd")
_USUAL: Final = Settings()


class Half:
    """A state of what has been learned: messages of each kind, the bias, each slot's weight and how much it moved."""

    def __init__(self, view: memoryview) -> None:
        self._head = view[: _HEAD.size]
        self.weights = view[_PAGE : _PAGE + _TABLE].cast("f")
        self.moved = view[_PAGE + _TABLE :].cast("f")

    @property
    def ham(self) -> int:
        return int(_HEAD.unpack(self._head)[0])

    @property
    def spam(self) -> int:
        return int(_HEAD.unpack(self._head)[1])

    @property
    def bias(self) -> Bias:
        return Bias(*_HEAD.unpack(self._head)[2:])

    def put(self, ham: int, spam: int, bias: Bias) -> None:
        self._head[:] = _HEAD.pack(ham, spam, bias.weight, bias.moved)


class Weights:
    """What has been learned, for whoever only looks. `settings`: how much that has to say."""

    def __init__(self, map_: mmap.mmap, settings: Settings = _USUAL) -> None:
        self.settings = settings
        self._map = map_
        view = memoryview(map_)
        self._halves = tuple(Half(view[_PAGE + number * _HALF : _PAGE + (number + 1) * _HALF]) for number in (0, 1))

    @property
    def now(self) -> Half:
        """The half in use. What is computed from one half is of one moment, as long as two changes do not come meanwhile."""
        return self._halves[self._map[_IN_USE] & 1]


class Learner(Weights):
    """The same for whoever learns; one at a time has it (`learner`)."""

    def __init__(self, map_: mmap.mmap) -> None:
        super().__init__(map_)
        self._next = self._halves[1 - (self._map[_IN_USE] & 1)]
        self._begin()

    def _begin(self) -> None:
        """Go on from what is in use."""
        now = self.now
        self._next.weights[:] = now.weights
        self._next.moved[:] = now.moved
        self._ham, self._spam, self._bias = now.ham, now.spam, now.bias

    def learn(self, slots: Slots, *, spam: bool) -> None:
        """Take a message into account."""
        learn(self._next.weights, self._next.moved, self._bias, slots, spam)
        self.count(ham=int(not spam), spam=int(spam))

    def count(self, *, ham: int, spam: int) -> None:
        """So many more messages, or fewer, have been learned."""
        self._ham, self._spam = max(0, self._ham + ham), max(0, self._spam + spam)

    def commit(self) -> None:
        """What was learned counts from now on, and stays."""
        self._next.put(self._ham, self._spam, self._bias)
        self._map.flush()
        self._map[_IN_USE] = 1 - (self._map[_IN_USE] & 1)
        self._map.flush(0, _PAGE)
        self._next = self._halves[1 - (self._map[_IN_USE] & 1)]
        self._begin()


def open_weights(folder: Path, settings: Settings = _USUAL, *, make: bool = False) -> Weights | None:
    """What lies below a folder (`filter` of data_directory), for looking only; to be called before the walls go up. None where
    nothing has been learned; `make`: then make it, so that what is learned later is seen. Raises OSError."""
    path = folder / NAME
    if make and not path.exists():
        with learner(folder):
            pass
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return Weights(_mapped(file, path, mmap.PROT_READ), settings)
    finally:
        os.close(file)


@contextmanager
def learner(folder: Path) -> Iterator[Learner]:
    """The same for learning, made where it is missing; waits for others who learn. What was not committed is not learned.
    Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / NAME
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        flock(file, LOCK_EX)
        if not os.pread(file, len(_MAGIC), 0).strip(b"\0"):
            _make(file)
        yield Learner(_mapped(file, path, mmap.PROT_READ | mmap.PROT_WRITE))
    finally:
        flock(file, LOCK_UN)  # the map has a descriptor of its own, which would keep it
        os.close(file)


def _make(file: int) -> None:
    """An empty store, whose first octets come last: what was cut short is made anew."""
    os.ftruncate(file, 0)
    os.ftruncate(file, _SIZE)
    os.pwrite(file, _MAGIC, 0)
    os.fsync(file)


def _mapped(file: int, path: Path, protection: int) -> mmap.mmap:
    if os.fstat(file).st_size != _SIZE or os.pread(file, len(_MAGIC), 0) != _MAGIC:
        raise OSError(f"{path}: not what the learner of this version has learned; move it away to begin anew")
    return mmap.mmap(file, _SIZE, mmap.MAP_SHARED, protection)
