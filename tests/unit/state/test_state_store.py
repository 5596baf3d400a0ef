"""The contract of a StateStore: one suite, which every implementation passes."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.state import update as updating
from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import ABSENT, LONGEST_VALUE, NEVER, Entry, MayLose, Space, StateStore, StateUnavailable
from gatepost.state.sqlite_store import SqliteStateStore
from gatepost.state.update import Update, update

ONE, OTHER = Space("one"), Space("other", MayLose.NOTHING)
Opened = Callable[[], "asynccontextmanager[StateStore]"]  # type: ignore[valid-type]


class Clock:
    """Tells the time it is set to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def _local(folder: Path, clock: Clock) -> AsyncIterator[StateStore]:
    yield LocalStateStore(clock)


@asynccontextmanager
async def _sqlite(folder: Path, clock: Clock) -> AsyncIterator[StateStore]:
    warned: list[str] = []
    store = SqliteStateStore(folder / "state", clock=clock, warn=warned.append)
    try:
        yield store
    finally:
        await store.close()
    assert warned == []


IMPLEMENTATIONS = {"memory": _local, "sqlite": _sqlite}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=IMPLEMENTATIONS)
def play(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[Callable[[StateStore], Awaitable[None]]], None]:
    """Runs a play with a store of each kind."""

    def run(scenes: Callable[[StateStore], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with IMPLEMENTATIONS[request.param](tmp_path, clock) as store:
                await scenes(store)

        asyncio.run(whole())

    return run


async def _keys(store: StateStore, space: Space, prefix: bytes = b"") -> list[bytes]:
    return [key async for key, _ in store.iterate(space, prefix)]


def test_what_was_put_is_there(play) -> None:
    async def scenes(store: StateStore) -> None:
        assert await store.get(ONE, b"k") is None
        first = await store.put(ONE, b"k", b"1")
        assert await store.get(ONE, b"k") == Entry(b"1", first, NEVER)
        second = await store.put(ONE, b"k", b"", 1_000_010.0)
        assert second > first > ABSENT
        assert await store.get(ONE, b"k") == Entry(b"", second, 1_000_010.0)

    play(scenes)


def test_spaces_know_nothing_of_each_other(play) -> None:
    async def scenes(store: StateStore) -> None:
        await store.put(ONE, b"k", b"1")
        await store.put(OTHER, b"k", b"2")
        await store.put(Space("on"), b"e", b"3")
        assert (await store.get(ONE, b"k")).value == b"1"
        assert await store.delete(ONE, b"k")
        assert await _keys(store, ONE) == []
        assert await _keys(store, OTHER) == [b"k"]
        assert await store.get(Space("none"), b"k") is None

    play(scenes)


@pytest.mark.parametrize("length", [0, 1, 510, 511, 512, 5000, 200_000])
def test_keys_of_any_length_are_told_apart(play, length: int) -> None:
    async def scenes(store: StateStore) -> None:
        keys = [b"k" * length + tail for tail in (b"", b"a", b"b", b"\0", b"\xff")]
        for number, key in enumerate(keys):
            await store.put(ONE, key, b"%d" % number)
        assert [(await store.get(ONE, key)).value for key in keys] == [b"0", b"1", b"2", b"3", b"4"]
        assert await _keys(store, ONE, b"k" * length) == sorted(keys)

    play(scenes)


def test_values_are_bounded(play) -> None:
    async def scenes(store: StateStore) -> None:
        await store.put(ONE, b"k", b"v" * LONGEST_VALUE)
        for change in (store.put(ONE, b"k", b"v" * (LONGEST_VALUE + 1)), store.compare_and_set(ONE, b"k", b"v" * 100_000, 0)):
            with pytest.raises(ValueError):
                await change
        assert len((await store.get(ONE, b"k")).value) == LONGEST_VALUE

    play(scenes)


@pytest.mark.parametrize(("value", "expires"), [("text", NEVER), (b"v", math.nan)])
def test_what_cannot_be_stored_is_refused_at_the_door(play, value, expires: float) -> None:
    """In a transaction it would take the changes of others along."""

    async def scenes(store: StateStore) -> None:
        with pytest.raises(ValueError):
            await store.put(ONE, b"k", value, expires)
        with pytest.raises(ValueError):
            await store.compare_and_set(ONE, b"k", value, ABSENT, expires)
        await store.put(ONE, b"k", b"v", 10**20)
        assert (await store.get(ONE, b"k")).expires == 1e20

    play(scenes)


@pytest.mark.parametrize("name", ["", "One", "a-b", "a\0b", "a/b", "ä", "a\n"])
def test_names_of_spaces(name: str) -> None:
    """Not those by which a key of one space could be one of another."""
    with pytest.raises(ValueError, match="no name of a space"):
        Space(name)


def test_after_the_end_nothing_is_answered(play) -> None:
    async def scenes(store: StateStore) -> None:
        await store.put(ONE, b"k", b"v")
        await store.close()
        for call in (
            store.get(ONE, b"k"),
            store.put(ONE, b"k", b"w"),
            store.compare_and_set(ONE, b"l", b"w", ABSENT),
            store.delete(ONE, b"k"),
            _keys(store, ONE),
        ):
            with pytest.raises(StateUnavailable):
                await call
        await store.close()

    play(scenes)


def test_no_update_of_many_is_lost(play, clock: Clock) -> None:
    def one_more(entry: Entry | None) -> Update:
        return Update(b"%d" % (int(entry.value) + 1 if entry else 1), clock.now + 60)

    async def scenes(store: StateStore) -> None:
        entries = await asyncio.gather(*(update(store, ONE, b"k", one_more) for _ in range(20)))
        assert sorted(int(entry.value) for entry in entries if entry) == list(range(1, 21))
        last = await store.get(ONE, b"k")
        assert last in entries and await update(store, ONE, b"k", lambda entry: None) == last
        assert await update(store, ONE, b"none", lambda entry: None) is None
        clock.now += 60
        assert (await update(store, ONE, b"k", one_more)).value == b"1"

    play(scenes)


def test_an_update_that_never_is_first_gives_up(play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updating, "_TRIES", 5)

    async def scenes(store: StateStore) -> None:
        async def lost(*arguments: object) -> None: ...

        monkeypatch.setattr(store, "compare_and_set", lost)
        with pytest.raises(StateUnavailable):
            await update(store, ONE, b"k", lambda entry: Update(b"v"))

    play(scenes)


def test_of_many_who_claim_a_probe_one_has_it_until_it_ends(play, clock: Clock) -> None:
    """As address verification does: whoever probes and dies holds up nobody for longer than his claim."""

    async def scenes(store: StateStore) -> None:
        async def claim() -> int | None:
            return await store.compare_and_set(ONE, b"probe/user@example.com", b"worker", ABSENT, clock.now + 30)

        (mine,) = [one for one in await asyncio.gather(*(claim() for _ in range(10))) if one is not None]
        assert await claim() is None
        clock.now += 30
        assert (other := await claim()) is not None
        assert not await store.delete(ONE, b"probe/user@example.com", mine)  # a claim that is over lets nobody in
        assert await claim() is None
        assert await store.delete(ONE, b"probe/user@example.com", other)
        assert await claim() is not None

    play(scenes)


def test_compare_and_set(play) -> None:
    async def scenes(store: StateStore) -> None:
        first = await store.compare_and_set(ONE, b"k", b"1", ABSENT)
        assert await store.compare_and_set(ONE, b"k", b"x", ABSENT) is None
        second = await store.compare_and_set(ONE, b"k", b"2", first)
        assert second > first
        assert await store.compare_and_set(ONE, b"k", b"x", first) is None
        assert (await store.get(ONE, b"k")).value == b"2"
        assert await store.compare_and_set(ONE, b"none", b"x", second) is None

    play(scenes)


def test_a_key_that_was_gone_meanwhile_is_another_one(play) -> None:
    async def scenes(store: StateStore) -> None:
        first = await store.put(ONE, b"k", b"1")
        await store.delete(ONE, b"k")
        await store.put(ONE, b"k", b"1")
        assert await store.compare_and_set(ONE, b"k", b"x", first) is None
        assert not await store.delete(ONE, b"k", first)

    play(scenes)


def test_delete(play) -> None:
    async def scenes(store: StateStore) -> None:
        assert not await store.delete(ONE, b"k")
        assert not await store.delete(ONE, b"k", ABSENT)
        revision = await store.put(ONE, b"k", b"1")
        assert not await store.delete(ONE, b"k", revision + 1)
        assert await store.delete(ONE, b"k", revision)
        assert not await store.delete(ONE, b"k", revision)
        await store.put(ONE, b"k", b"2")
        assert await store.delete(ONE, b"k")
        assert await store.get(ONE, b"k") is None

    play(scenes)


def test_of_many_at_once_one_wins(play) -> None:
    async def scenes(store: StateStore) -> None:
        tried = await asyncio.gather(*(store.compare_and_set(ONE, b"k", b"%d" % number, ABSENT) for number in range(20)))
        won = [number for number, revision in enumerate(tried) if revision is not None]
        assert len(won) == 1
        assert await store.get(ONE, b"k") == Entry(b"%d" % won[0], tried[won[0]])

    play(scenes)


def test_what_has_expired_is_not_there(play, clock: Clock) -> None:
    async def scenes(store: StateStore) -> None:
        revision = await store.put(ONE, b"k", b"1", clock.now + 10)
        await store.put(ONE, b"l", b"1", clock.now + 20)
        clock.now += 9.5
        assert await store.get(ONE, b"k") is not None
        clock.now += 0.5
        assert await store.get(ONE, b"k") is None
        assert await _keys(store, ONE) == [b"l"]
        assert not await store.delete(ONE, b"k")
        assert await store.compare_and_set(ONE, b"k", b"2", revision) is None
        assert await store.compare_and_set(ONE, b"k", b"2", ABSENT, clock.now + 1) is not None
        await store.put(ONE, b"l", b"past", clock.now - 1)
        assert await store.get(ONE, b"l") is None

    play(scenes)


def test_iteration_is_by_prefix_in_order_of_octets(play) -> None:
    async def scenes(store: StateStore) -> None:
        keys = [b"", b"a", b"a\0", b"a\xff", b"a\xff\xff", b"ab", b"b", b"\xff", b"\xff\xff"]
        for key in reversed(keys):
            await store.put(ONE, key, key)
        await store.put(OTHER, b"abc", b"")
        for prefix in (b"", b"a", b"a\xff", b"\xff", b"\xff\xff", b"ab", b"x"):
            assert await _keys(store, ONE, prefix) == sorted(key for key in keys if key.startswith(prefix))
        assert [entry.value async for _, entry in store.iterate(ONE, b"a")] == [b"a", b"a\0", b"ab", b"a\xff", b"a\xff\xff"]

    play(scenes)


def test_iteration_of_many_and_changes_meanwhile(play) -> None:
    async def scenes(store: StateStore) -> None:
        await asyncio.gather(*(store.put(ONE, b"%04d" % number, b"") for number in range(1000)))
        seen = []
        async for key, _ in store.iterate(ONE):
            seen.append(key)
            await store.delete(ONE, b"%04d" % (int(key) + 500)) if int(key) % 100 == 0 else None
        assert seen == sorted(set(seen)) and set(seen) >= {b"%04d" % number for number in range(1000) if number % 100}

    play(scenes)


class _Plan:
    """Changes of a few keys, at random, and what they must come to."""

    keys = st.sampled_from([b"", b"a", b"ab", b"b" * 600, b"\0"])
    steps = st.lists(
        st.tuples(st.sampled_from(["put", "set", "stale", "delete", "wait"]), keys, st.binary(max_size=3), st.integers(1, 5)),
        max_size=25,
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_Plan.steps)
def test_any_row_of_changes(play, clock: Clock, steps: list[tuple[str, bytes, bytes, int]]) -> None:
    async def scenes(store: StateStore) -> None:
        for key in [key async for key, _ in store.iterate(ONE)]:
            await store.delete(ONE, key)  # of the example before
        model: dict[bytes, tuple[bytes, int, float]] = {}
        for what, key, value, number in steps:
            model = {name: entry for name, entry in model.items() if entry[2] > clock.now}
            revision, expires = model.get(key, (b"", ABSENT, 0.0))[1], clock.now + number
            if what == "wait":
                clock.now += number
            elif what == "put":
                model[key] = value, await store.put(ONE, key, value, expires), expires
            elif what == "set":
                made = await store.compare_and_set(ONE, key, value, revision, expires)
                assert made is not None
                model[key] = value, made, expires
            elif what == "stale":
                assert await store.compare_and_set(ONE, key, value, revision + 1, expires) is None
            else:
                assert await store.delete(ONE, key) is (model.pop(key, None) is not None)
        alive = {name: Entry(*entry) for name, entry in model.items() if entry[2] > clock.now}
        assert {key: entry async for key, entry in store.iterate(ONE)} == alive
        for key in model:
            assert await store.get(ONE, key) == alive.get(key)

    play(scenes)
