"""Address verification: what is kept and for how long, who probes, on whose behalf, and from which sender."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import driven_loop
from tests.support.settings import CONFIGURATION, default

from gatepost.events.records import Event, Note
from gatepost.policy.verify.cache import LEASE, REST, Cache
from gatepost.policy.verify.findings import IN_PROGRESS, TOO_MANY, Deliverability, Finding, from_record, to_record
from gatepost.policy.verify.pending import Pending
from gatepost.policy.verify.sender import ProbeSender
from gatepost.policy.verify.settings import Patience, VerifySettings
from gatepost.policy.verify.verifier import Verified, Verifier
from gatepost.service.check.check import check
from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import StateUnavailable

DAY, HOUR = 86400.0, 3600.0
BEGAN = 1_800_000_000.0
WAITS, LOOKS_ONCE = (
    Patience(address_verify_poll_count=3, address_verify_poll_delay=3),
    Patience(address_verify_poll_count=1, address_verify_poll_delay=3),
)


class World:
    """Workers over one store; probes answer what they are told, after `takes` seconds, or never."""

    def __init__(self, **settings: Any) -> None:
        self.began = asyncio.get_running_loop().time()
        self.later = 0.0
        self.settings = default(VerifySettings, **settings)
        self.store = LocalStateStore(self.clock)
        self.says: Deliverability | Exception | None = Deliverability.DELIVERABLE
        self.takes = 0.1
        self.also: tuple[str, ...] = ()
        self.ours = False
        self.probed: list[tuple[str, str]] = []
        self.events: list[Event] = []
        self.faults: list[str] = []

    def clock(self) -> float:
        return BEGAN + self.later + asyncio.get_running_loop().time() - self.began

    async def probe(self, sender: str, address: str) -> Verified:
        self.probed.append((sender, address))
        await asyncio.sleep(self.takes)
        if isinstance(self.says, Exception):
            raise self.says
        finding = None if self.says is None else Finding(self.says, f"text {len(self.probed)}", self.clock())
        return Verified((address, *self.also), finding, ours=self.ours)

    def worker(self) -> Verifier:
        sender = ProbeSender("double-bounce", 0, lambda address: f"{address}@here.test", self.clock)
        return Verifier(
            self.settings, self.store, self.probe, sender, clock=self.clock, sleep=asyncio.sleep, emit=self.events.append,
            fault=lambda error, text: self.faults.append(text),
        )  # fmt: skip

    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]


def play(scene: Callable[[World], Awaitable[None]], **settings: Any) -> None:
    async def whole() -> None:
        await scene(World(**settings))

    driven_loop.run(whole())


def test_what_is_found_out_is_said_as_soon_as_it_is_known_and_then_at_once() -> None:
    async def scene(world: World) -> None:
        worker, loop = world.worker(), asyncio.get_running_loop()
        began = loop.time()
        found = await worker.verify("a@far.test", "192.0.2.1", WAITS)
        assert (found.status, found.text) == (Deliverability.DELIVERABLE, "text 1")
        assert loop.time() - began < 1
        assert await worker.verify("a@FAR.test", "192.0.2.1", LOOKS_ONCE) == found
        assert world.probed == [("double-bounce@here.test", "a@far.test")]

    play(scene)


def test_who_waits_no_longer_is_told_that_it_goes_on_and_the_result_is_there_later() -> None:
    async def scene(world: World) -> None:
        worker, loop = world.worker(), asyncio.get_running_loop()
        world.takes = 60
        began = loop.time()
        assert await worker.verify("a@far.test", "192.0.2.1", WAITS) == IN_PROGRESS
        assert loop.time() - began == pytest.approx(6, abs=0.1)
        assert await worker.verify("a@far.test", "192.0.2.1", LOOKS_ONCE) == IN_PROGRESS
        await asyncio.sleep(60)
        assert (await worker.verify("a@far.test", "192.0.2.1", LOOKS_ONCE)).good
        assert len(world.probed) == 1

    play(scene)


def test_of_all_workers_one_probes_and_all_hear_of_it() -> None:
    async def scene(world: World) -> None:
        workers = [world.worker() for _ in range(4)]
        world.takes = 2
        found = await asyncio.gather(*(worker.verify("a@far.test", "192.0.2.1", WAITS) for worker in workers))
        assert [one.good for one in found] == [True] * 4
        assert len(world.probed) == 1

    play(scene)


def test_a_worker_that_dies_holds_up_nobody_for_long() -> None:
    async def scene(world: World) -> None:
        world.takes = 10_000
        dead = world.worker()
        assert await dead.verify("a@far.test", "192.0.2.1", LOOKS_ONCE) == IN_PROGRESS
        await asyncio.sleep(5 * LEASE)
        worker = world.worker()
        await worker.verify("a@far.test", "192.0.2.1", LOOKS_ONCE)
        assert len(world.probed) == 1, "while it lives it keeps its claim"
        for task in [*dead._tasks]:
            task.cancel("kill -9 gives nothing up")
        dead._cache.give_up = dead._cache.renew = _never  # type: ignore[assignment]
        await asyncio.sleep(LEASE + 1)
        await worker.verify("a@far.test", "192.0.2.1", LOOKS_ONCE)
        await asyncio.sleep(0.1)
        assert len(world.probed) == 2
        await worker.close()

    play(scene)


async def _never(*_: object) -> None:
    return None


def test_bad_findings_are_asked_for_anew_and_expire_sooner() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        world.says = Deliverability.UNDELIVERABLE
        assert (await worker.verify("a@far.test", "192.0.2.1", WAITS)).text == "text 1"
        world.later = 2 * HOUR
        assert (await worker.verify("a@far.test", "192.0.2.1", WAITS)).text == "text 1"
        assert len(world.probed) == 1
        world.later = 3 * HOUR + 60
        world.says = Deliverability.DELIVERABLE
        assert (await worker.verify("a@far.test", "192.0.2.1", WAITS)).text == "text 1", (
            "what is known is said while it is asked for anew"
        )
        await asyncio.sleep(1)
        assert (await worker.verify("a@far.test", "192.0.2.1", WAITS)).text == "text 2"

    play(scene)


def test_one_good_answer_outlasts_bad_ones_which_are_asked_for_seldom() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        await worker.verify("a@far.test", "192.0.2.1", WAITS)
        world.later, world.says = 7 * DAY + 60, Deliverability.UNDELIVERABLE
        for _ in range(10):
            assert (await worker.verify("a@far.test", "192.0.2.1", WAITS)).good
            await asyncio.sleep(1)
        assert len(world.probed) == 2
        await asyncio.sleep(REST)
        assert (await worker.verify("a@far.test", "192.0.2.1", WAITS)).good
        await asyncio.sleep(1)
        assert len(world.probed) == 3
        world.later = 32 * DAY
        assert not (await worker.verify("a@far.test", "192.0.2.1", WAITS)).good

    play(scene)


def test_without_negative_cache_each_question_is_a_probe_and_none_is_answered_badly() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        world.says = Deliverability.UNDELIVERABLE
        for count in (1, 2):
            assert await worker.verify("a@far.test", "192.0.2.1", WAITS) == IN_PROGRESS
            assert len(world.probed) == count

    play(scene, address_verify_negative_cache=False)


def test_a_fault_of_our_own_says_nothing_of_the_address_and_the_next_question_probes() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        for world.says in (None, RuntimeError("broken")):
            assert await worker.verify("a@far.test", "192.0.2.1", WAITS) == IN_PROGRESS
            await asyncio.sleep(1)
        assert world.faults == ["verification of <a@far.test> broke off"]
        assert worker._pending.total == 0
        world.says = Deliverability.DELIVERABLE
        assert (await worker.verify("a@far.test", "192.0.2.1", WAITS)).good

    play(scene)


def test_what_kept_a_probe_from_being_made_is_told_and_not_kept() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        world.says, world.ours = Deliverability.DEFERRED, True
        for count in (1, 2):
            told = await worker.verify("a@far.test", "192.0.2.1", WAITS)
            assert (told.status, told.text) == (Deliverability.DEFERRED, f"text {count}")

    play(scene)


def test_who_the_address_stands_for_is_known_too() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        world.also = ("b@far.test",)
        await worker.verify("a@far.test", "192.0.2.1", WAITS)
        assert (await worker.verify("b@far.test", "192.0.2.1", LOOKS_ONCE)).good
        assert len(world.probed) == 1

    play(scene)


def test_a_crowd_of_addresses_from_one_client_leaves_room_for_others() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        world.takes = 1000
        found = [await worker.verify(f"{n}@far.test", "192.0.2.1", LOOKS_ONCE) for n in range(200)]
        await asyncio.sleep(0.01)
        assert len(world.probed) == 50
        assert found[:50] == [IN_PROGRESS] * 50
        assert found[50:] == [TOO_MANY] * 150
        assert await worker.verify("new@far.test", "192.0.2.2", LOOKS_ONCE) == IN_PROGRESS
        await worker.close()
        assert worker._pending.total == 0
        assert await world.worker().verify("199@far.test", "192.0.2.1", LOOKS_ONCE) == IN_PROGRESS, (
            "what was refused is nobody's claim"
        )

    play(scene, address_verify_pending_request_limit=100)


def test_a_store_that_cannot_answer_is_told_to_who_asks_and_one_that_breaks_later_is_a_warning() -> None:
    async def scene(world: World) -> None:
        worker = world.worker()
        world.takes = 1
        asked = asyncio.ensure_future(worker.verify("a@far.test", "192.0.2.1", WAITS))
        await asyncio.sleep(0.5)
        await world.store.close()
        with pytest.raises(StateUnavailable):
            await asked
        with pytest.raises(StateUnavailable):
            await worker.verify("b@far.test", "192.0.2.1", WAITS)
        assert any("result of a probe not kept" in note for note in world.notes())
        assert world.faults == []
        assert worker._pending.total == 0

    play(scene)


def test_cleanup_is_done_by_one_worker_and_says_what_it_found() -> None:
    async def scene(world: World) -> None:
        workers = [world.worker() for _ in range(3)]
        await workers[0].verify("a@far.test", "192.0.2.1", WAITS)
        await workers[1].verify("b@far.test", "192.0.2.1", WAITS)
        line = "cache btree:/var/lib/postfix/verify_cache full cleanup: retained={} dropped={} entries"
        assert world.notes() == [line.format(0, 0)]
        world.later = 13 * HOUR
        world.settings = default(VerifySettings, address_verify_positive_expire_time=int(HOUR))
        await world.worker().verify("c@far.test", "192.0.2.1", WAITS)
        await asyncio.sleep(1)
        assert world.notes()[1:] == [line.format(0, 2)]

    play(scene)


def test_no_cleanup_where_none_is_wanted() -> None:
    async def scene(world: World) -> None:
        await world.worker().verify("a@far.test", "192.0.2.1", WAITS)
        assert world.notes() == []

    play(scene, address_verify_cache_cleanup_interval=0)


@given(st.sampled_from(Deliverability), st.text(), st.floats(0, 1e10))
def test_findings_are_read_as_they_were_written(status: Deliverability, text: str, updated: float) -> None:
    found = from_record(to_record(Finding(status, text, updated)))
    assert found is not None
    assert (found.status, found.updated) == (status, updated)


@given(st.binary())
def test_a_record_that_nobody_can_read_is_not_known(record: bytes) -> None:
    found = from_record(record)
    assert found is None or isinstance(found, Finding)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=300))
def test_pending_never_exceeds_its_limit_and_the_next_client_finds_room(steps: list[tuple[int, bool]]) -> None:
    pending, held = Pending(20), dict.fromkeys(map(str, range(6)), 0)
    for client, more in steps:
        name = str(client)
        if more:
            held[name] += pending.begin(name)
        elif held[name]:
            pending.end(name)
            held[name] -= 1
        assert pending.total == sum(held.values()) < 20
    assert pending.begin("new")


def test_a_network_of_ipv6_is_one_client() -> None:
    pending = Pending(10)
    begun = [pending.begin(f"2001:db8::{n:x}") for n in range(10)]
    assert sum(begun) == 5
    assert pending.begin("2001:db8:0:1::1")


NOW = [1_800_000_000.0]


def sender(value: str = "double-bounce", ttl: int = 0) -> ProbeSender:
    return ProbeSender(value, ttl, lambda a: a if "@" in a else f"{a}@here.test", lambda: NOW[0])


def test_the_sender_of_probes() -> None:
    assert sender().address() == "double-bounce@here.test"
    assert sender().known("Double-Bounce@HERE.test") == "double-bounce@here.test"
    for other in ("double-bounce2@here.test", "double-bounce@there.test", "double-bounce", "x@here.test", "@here.test", ""):
        assert sender().known(other) is None, other


@pytest.mark.parametrize("value", ["", "<>"])
def test_the_null_sender_is_nobody_and_never_changes(value: str) -> None:
    assert sender(value, 3600).address() == ""
    assert sender(value, 3600).known("") is None
    assert sender(value).known("@here.test") is None


@pytest.mark.parametrize("value", ["@here.test", "x@"])
def test_a_sender_that_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must neither"):
        sender(value)
    told = [fault.text for fault in check(CONFIGURATION.with_settings({"address_verify_sender": value}))]
    assert f'"{value}" must neither start nor end with "@"' in told


def test_a_sender_that_changes_is_known_for_a_period_before_and_after() -> None:
    ours, known = sender("p@here.test", 3600), []
    NOW[0] = 1_800_000_000.0
    written = ours.address()
    assert written == "p@here.test".replace("@", f"{_base_31(500_000)}@")
    for periods in (-2, -1, 0, 1, 2):
        NOW[0] = 1_800_000_000.0 + periods * 3600
        known.append(ours.known(written))
    assert known == [None, "p@here.test", "p@here.test", "p@here.test", None]
    assert ours.known("p@here.test") is None
    assert ours.known(f"p{'Z' * 500}@here.test") is None
    assert ours.known("pé@here.test") is None


def _base_31(number: int) -> str:
    digits = "0123456789BCDFGHJKLMNPQRSTVWXYZ"
    return (_base_31(number // 31) if number >= 31 else "") + digits[number % 31]


@given(st.text(max_size=40))
def test_no_address_is_taken_for_ours_by_mistake(local: str) -> None:
    found = sender("p@here.test", 3600).known(f"{local}@here.test")
    assert found is None or local.lower().startswith("p")


def test_keys_differ_by_local_part_and_not_by_the_letters_of_a_domain() -> None:
    async def scene() -> None:
        settings = default(VerifySettings)
        cache = Cache(LocalStateStore(lambda: BEGAN), settings.lifetimes, lambda: BEGAN)
        await cache.keep("A@x.test", Finding(Deliverability.DELIVERABLE, "ok", BEGAN))
        assert await cache.known("A@X.TEST") is not None
        assert await cache.known("a@x.test") is None
        assert await cache.claim("A@x.test") is not None
        assert await cache.claim("A@X.test") is None

    asyncio.run(scene())
