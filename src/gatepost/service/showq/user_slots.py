"""Whose request is served next: slots are for users, not for connections, so that nobody is shut out by another. No I/O."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class UserSlots(Generic[T]):
    """Requests of users (by uid). At most `at_once` are served together and `of_one` of them are one user's; a user's next
    `in_line` requests wait, and `waiting` altogether. Users take turns."""

    def __init__(self, at_once: int, of_one: int, in_line: int, waiting: int) -> None:
        self._at_once = at_once
        self._of_one = of_one
        self._in_line = in_line
        self._room = waiting
        self._served: Counter[int] = Counter()
        self._lines: dict[int, deque[T]] = {}

    def arrive(self, uid: int, request: T) -> bool:
        """A request has come; False: it is turned away."""
        line = self._lines.setdefault(uid, deque())
        if len(line) >= self._in_line or sum(map(len, self._lines.values())) >= self._room:
            self._forget(uid)
            return False
        line.append(request)
        return True

    def start(self) -> tuple[int, T] | None:
        """(uid, request) to be served now, which takes a slot; None where nothing can start."""
        if self._served.total() >= self._at_once:
            return None
        uid = next((uid for uid in self._lines if self._served[uid] < self._of_one), None)
        if uid is None:
            return None
        line = self._lines.pop(uid)
        request = line.popleft()
        if line:
            self._lines[uid] = line  # behind the others
        self._served[uid] += 1
        return uid, request

    def end(self, uid: int) -> None:
        """A request of this user has been served."""
        self._served[uid] -= 1
        if not self._served[uid]:
            del self._served[uid]

    def waiting(self) -> Iterator[T]:
        """All requests that wait."""
        for line in self._lines.values():
            yield from line

    def _forget(self, uid: int) -> None:
        if not self._lines[uid]:
            del self._lines[uid]
