"""The forms that a message takes for next hops (rewritten, in 7 bit): each is made once, however many destinations need it.

Contract: a form lives no longer than the content that it was made of, and all of them together within a bound.
Failure: whoever waits for a form hears what went wrong in making it; the next one tries again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Final, NamedTuple
from weakref import ref

from gatepost.lookup import pattern_time
from gatepost.mail.content import Content, FileContent, MemoryContent, SplicedContent

ROOM: Final = 16 * 1024 * 1024
"""Octets of memory for forms that nobody may ask for again."""

_FILE: Final = 256 * 1024  # what an open file counts, so that there are few of them

_LEAST: Final = 1024  # what any form counts

_Key = tuple[int, Hashable]
"""The identity of a content, and a form of it."""
Make = Callable[[], Awaitable[Content]]


class _Kept(NamedTuple):
    """A form that was made. `of`: the content; `made`: None where the form is the content itself; `size`: octets that it counts."""

    of: ref[Content]
    made: Content | None
    size: int


class Forms:
    """Of the contents of one service. `room`: octets."""

    def __init__(self, room: int = ROOM) -> None:
        self._left = room
        self._kept: dict[_Key, _Kept] = {}  # the oldest first
        self._being_made: dict[_Key, tuple[Content, asyncio.Task[Content]]] = {}

    async def of(self, content: Content, form: Hashable, make: Make) -> Content:
        """`content` in that form, which `make` makes where it has not been made yet. Raises what `make` raises."""
        key = (id(content), form)
        if (kept := self._kept.get(key)) is not None:
            return content if kept.made is None else kept.made
        if key not in self._being_made:
            task = asyncio.ensure_future(_made(make))
            self._being_made[key] = content, task  # the content too, lest another one gets its id
            task.add_done_callback(partial(self._keep, key))
        return await asyncio.shield(self._being_made[key][1])  # others may wait for it too

    def _keep(self, key: _Key, task: asyncio.Task[Content]) -> None:
        content, _ = self._being_made.pop(key)
        if task.cancelled() or task.exception() is not None:
            return
        form = task.result()
        made = None if form is content else form
        self._kept[key] = _Kept(ref(content, partial(self._forget, key)), made, _LEAST + _size(made))
        self._left -= self._kept[key].size
        while self._left < 0:  # who needs the oldest one has it, or makes it anew
            self._forget(next(iter(self._kept)))

    def _forget(self, key: _Key, _: object = None) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self._left += kept.size


async def _made(make: Make) -> Content:
    pattern_time.begin()  # no attempt pays for the others
    return await make()


def _size(form: Content | None) -> int:
    """Octets of memory, or an open file; what a spliced content goes on with is the message's own."""
    match form:
        case MemoryContent():
            return form.size
        case SplicedContent():
            return len(form.head_octets)
        case FileContent():
            return _FILE
    return 0
