"""A value that depends on the one before, changed by many workers at once: a counter, when a triplet was last seen."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gatepost.state.port import ABSENT, NEVER, Entry, Space, StateStore, StateUnavailable

_TRIES: Final = 100


class Update(Struct, frozen=True):
    """What a key is to have: a `value`, and when it `expires` (seconds since 1970)."""

    value: bytes
    expires: float = NEVER


async def update(store: StateStore, space: Space, key: bytes, change: Callable[[Entry | None], Update | None]) -> Entry | None:
    """Give the key what `change` makes of the entry that it has, None for none, and return what it has then. None from `change`
    leaves it as it is. `change` is asked again whenever somebody else was first, so that it has no effect of its own.

    Raises StateUnavailable, also where others are first again and again."""
    for _ in range(_TRIES):
        entry = await store.get(space, key)
        new = change(entry)
        if new is None:
            return entry
        revision = await store.compare_and_set(space, key, new.value, ABSENT if entry is None else entry.revision, new.expires)
        if revision is not None:
            return Entry(new.value, revision, new.expires)
    raise StateUnavailable(f"{space.name}: {_TRIES} changes of a key by others were first")
