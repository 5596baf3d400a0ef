"""What is known of policies of MTA-STS, and what is to be done about them."""

import asyncio

import pytest

from gatepost.deliver.sts_cache import PAUSE, REFRESH, SPACE, UNKNOWN, Known, Need, StsCache, known_of, need
from gatepost.proto.mta_sts import LONGEST_AGE, Mode, StsPolicy
from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import StateUnavailable

WEEK = 604800
POLICY = StsPolicy(Mode.ENFORCE, WEEK, ("mx.a.test",))
KNOWN = Known(POLICY, "1", fetched=1000.0)


@pytest.mark.parametrize(
    ("known", "record", "now", "expected"),
    [
        (UNKNOWN, "", 1000.0, Need.NOT_NOW),
        (UNKNOWN, "1", 1000.0, Need.BEFORE),
        (KNOWN, "1", 1000.0, Need.NOT_NOW),
        (KNOWN, "1", 1000.0 + REFRESH - 1, Need.NOT_NOW),
        (KNOWN, "1", 1000.0 + REFRESH, Need.BESIDE),
        (KNOWN, "2", 1001.0, Need.BEFORE),
        (KNOWN, "", 1000.0 + REFRESH, Need.NOT_NOW),
        (KNOWN, "1", 1000.0 + WEEK, Need.BEFORE),
        (KNOWN, "1", 999.0, Need.BEFORE),  # a clock that was set back says nothing of how old it is
        (Known(StsPolicy(Mode.NONE, 3600), "1", 1000.0), "1", 1000.0 + 1800, Need.BESIDE),
        (Known(failed=1000.0, failed_id="1"), "1", 1000.0 + PAUSE - 1, Need.NOT_NOW),
        (Known(failed=1000.0, failed_id="1"), "1", 1000.0 + PAUSE, Need.BEFORE),
        (Known(failed=1000.0, failed_id="1"), "2", 1001.0, Need.BEFORE),
        (Known(failed=1000.0, failed_id="1"), "1", 900.0, Need.BEFORE),
        (Known(POLICY, "1", 1000.0, failed=1001.0, failed_id="2"), "2", 1002.0, Need.NOT_NOW),
    ],
)
def test_what_is_to_be_done(known: Known, record: str, now: float, expected: Need) -> None:
    assert need(known, record, now) is expected


@pytest.mark.parametrize(("age", "lasts"), [(0, PAUSE), (WEEK, WEEK), (LONGEST_AGE * 9, LONGEST_AGE)])
def test_how_long_a_policy_counts(age: int, lasts: float) -> None:
    known = Known(StsPolicy(Mode.ENFORCE, age, ("mx.a.test",)), "1", 1000.0)
    assert known.counting(1000.0 + lasts - 1) is known.policy
    assert known.counting(1000.0 + lasts) is None
    assert known.counting(999.0) is None
    assert UNKNOWN.counting(1000.0) is None


class Away:
    """A store that fails from a point on."""

    def __init__(self) -> None:
        self.store = LocalStateStore(lambda: 1000.0)
        self.away = False

    def __getattr__(self, name: str) -> object:
        if self.away:
            raise StateUnavailable("disk full")
        return getattr(self.store, name)


def test_policies_are_kept_and_forgotten() -> None:
    async def scene() -> None:
        now = 1000.0
        store = LocalStateStore(lambda: now)
        one, other = StsCache(store, lambda: now), StsCache(store, lambda: now)
        await one.keep("a.test", "1", POLICY)
        assert await other.known("a.test") == KNOWN
        failed = await other.keep_failure("a.test", "2", "x" * 5000, "x")
        assert (failed.policy, failed.id, failed.failed_id, len(failed.why)) == (POLICY, "1", "2", 200)
        assert [domain async for domain, _ in one.all()] == ["a.test"]
        assert await one.forget("a.test")
        assert not await one.forget("a.test")
        assert await other.known("a.test") == UNKNOWN
        await one.keep_failure("b.test", "1", "no", "x")
        now += PAUSE
        assert await one.known("b.test") == UNKNOWN

    asyncio.run(scene())


def test_what_was_seen_counts_while_the_store_is_away() -> None:
    async def scene() -> None:
        store = Away()
        cache = StsCache(store, lambda: 1000.0)  # type: ignore[arg-type]
        await cache.keep("a.test", "1", POLICY)
        store.away = True
        assert await cache.known("a.test") == KNOWN
        assert (await cache.keep("b.test", "1", POLICY)).policy == POLICY
        assert await cache.known("b.test") == KNOWN
        for number in range(2000):
            await cache.keep(f"c{number}.test", "1", POLICY)
        assert await cache.known("a.test") == UNKNOWN

    asyncio.run(scene())


@pytest.mark.parametrize("value", [b"", b"x", b"\x90", b"\xc1" * 100])
def test_a_record_that_cannot_be_read_is_nothing(value: bytes) -> None:
    async def scene() -> None:
        store = LocalStateStore(lambda: 1000.0)
        await store.put(SPACE, b"a.test", value)
        assert (await StsCache(store, lambda: 1000.0).known("a.test")).policy is None

    asyncio.run(scene())
    assert known_of(value).policy is None
