"""What is counted and stored of a day."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import LONGEST_VALUE, Entry, Space, StateStore, StateUnavailable
from gatepost.tlsrpt import collector as collectors
from gatepost.tlsrpt.collector import Collector
from gatepost.tlsrpt.counts import DAY, DAYS, MOST_FAILURES, DayCounts, counts_of, key_of, prefix_of, stored
from gatepost.tlsrpt.outcome import NO_POLICY, PolicyType, ReportedPolicy, ResultType, TlsOutcome

NOW = 20_000 * DAY + 100.0
GOOD = TlsOutcome("a.test", NO_POLICY, "mx.a.test", "192.0.2.1")
BAD = replace(GOOD, result=ResultType.CERTIFICATE_EXPIRED, reason="certificate has expired", own_address="192.0.2.9")


class Watch:
    """A clock."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


async def _days(store: StateStore, day: int = 20_000) -> dict[str, DayCounts]:
    return {counts.domain: counts async for _, entry in store.iterate(DAYS, prefix_of(day)) for counts in (counts_of(entry),)}


def collected(*batches: list[TlsOutcome], warn: Callable[[str], None] = print) -> dict[str, DayCounts]:
    """What is stored of outcomes that come in batches, each of another worker."""

    async def scene() -> dict[str, DayCounts]:
        watch = Watch()
        store = LocalStateStore(watch)
        for batch in batches:
            collector = Collector(store, watch, warn)
            for outcome in batch:
                collector.observe(outcome)
            await collector.store()
        return await _days(store)

    return asyncio.run(scene())


def test_sessions_of_all_workers_are_added_up() -> None:
    (sessions,) = collected([GOOD, BAD, GOOD], [BAD, replace(BAD, domain="A.Test.")])["a.test"].sessions
    assert (sessions.successful, sessions.failed) == (2, 3)
    ((failure, number),) = sessions.failures
    assert (failure.result, failure.mx, failure.address, failure.own_address, number) == (
        ResultType.CERTIFICATE_EXPIRED, "mx.a.test", "192.0.2.1", "192.0.2.9", 3,
    )  # fmt: skip


def test_policies_are_told_apart() -> None:
    sts = ReportedPolicy(PolicyType.STS, "a.test", ("mode: enforce",), ("mx.a.test",))
    found = collected([GOOD, replace(GOOD, policy=sts)])["a.test"].sessions
    assert {sessions.policy: sessions.successful for sessions in found} == {NO_POLICY: 1, sts: 1}


def test_a_policy_that_is_at_fault_itself_fails_each_session() -> None:
    policy = ReportedPolicy(PolicyType.TLSA, "mx.a.test", failure=ResultType.TLSA_INVALID)
    (sessions,) = collected([replace(GOOD, policy=policy)])["a.test"].sessions
    assert (sessions.successful, sessions.failed, sessions.failures[0][0].result) == (0, 1, ResultType.TLSA_INVALID)


def test_days_are_apart_and_end() -> None:
    async def scene() -> None:
        watch = Watch()
        store = LocalStateStore(watch)
        collector = Collector(store, watch, print)
        collector.observe(GOOD)
        watch.now += DAY
        collector.observe(GOOD)
        await collector.store()
        assert [len(await _days(store, day)) for day in (20_000, 20_001)] == [1, 1]
        watch.now += 3 * DAY
        assert [len(await _days(store, day)) for day in (20_000, 20_001)] == [0, 1]

    asyncio.run(scene())


@pytest.mark.parametrize("domain", ["127.0.0.1", "[::1]", "", "private/smtp", "x" * 300])
def test_what_is_no_domain_is_not_counted(domain: str) -> None:
    assert collected([replace(GOOD, domain=domain)]) == {}


def test_what_strangers_write_fits_and_can_be_printed() -> None:
    """More failures, policies and longer texts than there is room for: the counts are right all the same where there is room."""
    hostile = "\r\n\0ß\U0001f600\udc80" * 500
    many = [replace(BAD, mx=f"mx{n}.{hostile}", address=hostile, reason=f"{n}{hostile}") for n in range(500)]
    policies = [
        ReportedPolicy(PolicyType.TLSA, f"mx{n}.{hostile}", tuple(f"{m}{hostile}" for m in range(100)), (hostile,) * 100)
        for n in range(100)
    ]
    found = collected(many, [replace(outcome, policy=policy) for outcome, policy in zip(many, policies, strict=False)])["a.test"]
    value = stored(found, 20_000).value
    assert len(value) < LONGEST_VALUE
    assert found.sessions[0].failed == 500
    assert sum(len(sessions.failures) for sessions in found.sessions) <= MOST_FAILURES
    texts = [text for sessions in found.sessions for text in (*sessions.policy.strings, *sessions.policy.mx_hosts)]
    texts += [text for sessions in found.sessions for failure, _ in sessions.failures for text in (failure.mx, failure.reason)]
    assert all(text.isascii() and text.isprintable() for text in texts)
    assert 1 < len(found.sessions) < 100


def test_a_policy_that_does_not_fit_takes_no_count_from_the_others() -> None:
    large = [ReportedPolicy(PolicyType.TLSA, f"mx{n}", (160 * "x",) * 32) for n in range(10)]
    first = [GOOD, *(replace(GOOD, policy=policy) for policy in large)]
    kept = collected(first)["a.test"].sessions
    assert 1 < len(kept) < len(first)
    again = collected(first, [replace(GOOD, policy=large[-1]), GOOD])["a.test"].sessions
    assert [sessions.successful for sessions in again if sessions.policy == NO_POLICY] == [2]


def test_what_waits_to_be_stored_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away for days, and a domain has another policy each time."""
    monkeypatch.setattr(collectors, "MOST_DOMAINS", 3)

    async def scene() -> None:
        watch = Watch()
        store = _Broken(watch)
        collector = Collector(store, watch, lambda text: None)
        for _ in range(10):
            for number in range(10):
                for policy in range(100):
                    records = ReportedPolicy(PolicyType.TLSA, "mx", (str(policy),))
                    collector.observe(replace(GOOD, domain=f"d{number}.test", policy=records))
            await collector.store()
            watch.now += DAY
        assert len(collector._pending) == 3
        assert max(map(len, collector._pending.values())) == 64

    asyncio.run(scene())


def test_domains_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectors, "MOST_DOMAINS", 3)
    warned: list[str] = []
    found = collected([replace(GOOD, domain=f"d{n % 5}.test") for n in range(10)], warn=warned.append)
    assert {name: counts.sessions[0].successful for name, counts in found.items()} == {"d0.test": 2, "d1.test": 2, "d2.test": 2}
    assert len(warned) == 1


class _Broken(LocalStateStore):
    """Cannot store for now."""

    broken = True

    async def compare_and_set(self, space: Space, key: bytes, value: bytes, revision: int, expires: float = 0.0) -> int | None:
        if self.broken:
            raise StateUnavailable("as the test wants it")
        return await super().compare_and_set(space, key, value, revision, expires)


def test_what_cannot_be_stored_is_kept_for_the_next_time() -> None:
    async def scene() -> None:
        store = _Broken(lambda: NOW)
        collector = Collector(store, lambda: NOW, print)
        for outcome in (GOOD, BAD):
            collector.observe(outcome)
        await collector.store()
        assert await _days(store) == {}
        collector.observe(BAD)
        await collector.store()
        store.broken = False
        await collector.store()
        (sessions,) = (await _days(store))["a.test"].sessions
        assert (sessions.successful, sessions.failed, sessions.failures[0][1]) == (1, 2, 2)
        await collector.store()
        assert (await _days(store))["a.test"].sessions == (sessions,)

    asyncio.run(scene())


@pytest.mark.parametrize("value", [b"", b"\xff", msgspec.msgpack.encode([1, 2])])
def test_an_entry_that_cannot_be_read_counts_as_none(value: bytes) -> None:
    assert counts_of(Entry(value, 1), "a.test") == DayCounts("a.test")
    assert key_of(20_000, "a.test").startswith(prefix_of(20_000))
