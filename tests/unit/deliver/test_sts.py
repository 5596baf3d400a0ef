"""Which policy of MTA-STS counts for mail to a domain, and what is asked for it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.support.fake_dns import FakeDns
from tests.support.notes import texts

from gatepost.deliver import sts
from gatepost.deliver.sts import MtaSts, NotFetched, StsFound
from gatepost.deliver.sts_cache import PAUSE, REFRESH, StsCache
from gatepost.events.records import Event, Note
from gatepost.proto.mta_sts import Mode, StsPolicy
from gatepost.state.local_store import LocalStateStore
from gatepost.tlsrpt.outcome import ResultType

POLICY = "version: STSv1\nmode: {}\nmx: mx.{}\nmax_age: 604800\n"


class World:
    """Domains `NAME.test` that have records, `modes` by name; `broken`: names whose policies nobody gets, and why."""

    def __init__(self, *, enforcing: bool = True, seconds: float = 5.0) -> None:
        self.now = 1000.0
        self.dns = FakeDns("a.test A 192.0.2.1\nbroken.test SERVFAIL")
        self.bodies: dict[str, bytes | Exception] = {}
        self.fetched: list[str] = []
        self.gate: asyncio.Event | None = None
        self.events: list[Event] = []
        self.store = LocalStateStore(lambda: self.now)
        self.sts = self.service(enforcing=enforcing, seconds=seconds)

    def service(self, *, enforcing: bool = True, seconds: float = 5.0) -> MtaSts:
        return MtaSts(
            StsCache(self.store, lambda: self.now), self.dns, self._fetch,
            enforcing=enforcing, seconds=seconds, clock=lambda: self.now, emit=self.events.append, service="smtp",
        )  # fmt: skip

    def says(self, domain: str, record: str | None, mode: str = "enforce") -> None:
        """What a domain has from now on. `record`: None: it is gone."""
        self.dns._records.pop((f"_mta-sts.{domain}", "TXT"), None)
        if record is not None:
            self.dns._add(f'_mta-sts.{domain} TXT "v=STSv1; id={record};"')
        self.bodies[domain] = POLICY.format(mode, domain).encode()

    async def _fetch(self, domain: str) -> bytes:
        self.fetched.append(domain)
        if self.gate is not None:
            await self.gate.wait()
        body = self.bodies[domain]
        if isinstance(body, Exception):
            raise body
        return body

    async def mode(self, domain: str = "a.test") -> str:
        found = await self.sts.find(domain)
        return f"{found.policy.mode.value} {found.enforced}" if found and found.policy else "none"

    @property
    def notes(self) -> list[str]:
        return texts(self.events)


def run(scene: Callable[[World], Awaitable[None]], **how: bool | float) -> World:
    async def whole() -> World:
        world = World(**how)  # type: ignore[arg-type]
        await scene(world)
        return world

    return asyncio.run(asyncio.wait_for(whole(), 10))


def test_a_domain_without_a_record_is_asked_once_a_minute() -> None:
    async def scene(world: World) -> None:
        assert await world.mode() == await world.mode() == "none"
        assert world.dns.asked == ["_mta-sts.a.test TXT"]
        world.now += 60
        assert await world.mode() == "none"
        assert len(world.dns.asked) == 2

    assert run(scene).fetched == []


@pytest.mark.parametrize(("enforcing", "enforced"), [(True, "enforce True"), (False, "enforce False")])
def test_a_policy_is_fetched_once_and_kept_for_all(enforcing: bool, enforced: str) -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1")
        assert await world.mode() == enforced
        other = await world.service().find("a.test")
        assert other == StsFound("a.test", StsPolicy(Mode.ENFORCE, 604800, ("mx.a.test",)), True)
        assert other.title == "MTA-STS policy of a.test (enforce)"

    assert run(scene, enforcing=enforcing).fetched == ["a.test"]


@pytest.mark.parametrize(("mode", "counts"), [("testing", "testing False"), ("none", "none"), ("enforce", "enforce True")])
def test_modes(mode: str, counts: str) -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1", mode)
        assert await world.mode() == counts
        assert await world.mode() == counts

    assert run(scene).fetched == ["a.test"]


def test_many_messages_ask_once() -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1")
        world.gate = asyncio.Event()
        asking = [asyncio.create_task(world.mode()) for _ in range(50)]
        await asyncio.sleep(0)
        asking[0].cancel()  # whoever goes away takes nothing from the others
        await asyncio.sleep(0)
        world.gate.set()
        assert set(await asyncio.gather(*asking[1:])) == {"enforce True"}

    assert run(scene).fetched == ["a.test"]


def test_a_new_id_is_a_new_policy() -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1")
        await world.mode()
        world.says("a.test", "2", "testing")
        assert await world.mode() == "testing False"
        assert await world.mode() == "testing False"

    assert run(scene).fetched == ["a.test"] * 2


@pytest.mark.parametrize(
    ("failure", "lack"),
    [
        (NotFetched("status 404"), ResultType.STS_POLICY_FETCH_ERROR),
        (NotFetched("who are you", ResultType.STS_WEBPKI_INVALID), ResultType.STS_WEBPKI_INVALID),
        (b"<html>", ResultType.STS_POLICY_INVALID),
        (b"version: STSv1\nmode: none\n", ResultType.STS_POLICY_INVALID),
    ],
)
def test_a_policy_that_cannot_be_had_is_asked_for_after_a_while(failure: bytes | Exception, lack: ResultType) -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1")
        world.bodies["a.test"] = failure
        for _ in range(2):
            assert await world.sts.find("a.test") == StsFound("a.test", None, lack=lack)
        assert world.fetched == ["a.test"]
        assert "cannot be fetched" in world.notes[0]
        assert world.notes[0].endswith("; mail goes as if there were none")
        world.says("a.test", "1")
        world.now += PAUSE
        assert await world.mode() == "enforce True"

    run(scene)


@pytest.mark.parametrize("record", [None, "2", "1"])
def test_what_is_known_goes_on_counting(record: str | None) -> None:
    """Whoever takes away the record, or keeps the policy from being fetched, has won nothing before it expires."""

    async def scene(world: World) -> None:
        world.says("a.test", "1")
        await world.mode()
        world.says("a.test", record)
        world.bodies["a.test"] = NotFetched("no")
        for _ in range(6):
            assert await world.mode() == "enforce True"
            await asyncio.sleep(0)
            world.now += REFRESH
        world.now += REFRESH
        assert await world.mode() == "none"

    told = [note for note in run(scene).events if isinstance(note, Note) and "goes on counting" in note.text]
    assert {note.severity for note in told} == ({"warning"} if record else set())


def test_a_policy_in_use_is_fetched_anew_every_day_while_mail_goes_on() -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1")
        await world.mode()
        world.now += REFRESH
        world.gate = asyncio.Event()
        assert await world.mode() == await world.mode() == "enforce True"
        world.gate.set()
        await asyncio.sleep(0.01)
        world.now += 604800 - 1
        world.says("a.test", None)
        assert await world.mode() == "enforce True"

    assert run(scene).fetched == ["a.test"] * 2


def test_a_name_server_that_does_not_say_is_not_asked_by_every_message() -> None:
    async def scene(world: World) -> None:
        assert await world.mode("broken.test") == await world.mode("broken.test") == "none"

    world = run(scene)
    assert world.dns.asked == ["_mta-sts.broken.test TXT"]
    assert world.notes == ["MTA-STS record of broken.test: the name server does not say"]


def test_a_slow_policy_host_holds_up_its_own_mail_for_a_bounded_time() -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1")
        world.gate = asyncio.Event()
        assert await world.mode() == "none"

    assert "no answer within 0.05 seconds" in run(scene, seconds=0.05).notes[0]


def test_fetches_at_one_time_are_bounded_and_who_finds_no_room_may_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sts, "AT_ONCE", 2)

    async def scene(world: World) -> None:
        for number in range(5):
            world.says(f"d{number}.test", "1")
        world.gate = asyncio.Event()
        assert set(await asyncio.gather(*(world.mode(f"d{number}.test") for number in range(5)))) == {"none"}
        assert len(world.fetched) == 2
        world.gate.set()
        assert await world.mode("d4.test") == "enforce True"
        assert await world.mode("d0.test") == "none"

    run(scene, seconds=0.05)


def test_what_is_remembered_of_ten_thousand_domains_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sts, "_DOMAINS", 100)

    async def scene(world: World) -> None:
        for number in range(1000):
            assert await world.mode(f"d{number}.test") == "none"
        assert len(world.sts._without) == 100
        assert not world.sts._under_way

    run(scene)


def test_a_fault_of_ours_is_told_and_the_next_one_asks_again() -> None:
    async def scene(world: World) -> None:
        world.says("a.test", "1")
        world.bodies["a.test"] = ZeroDivisionError("what")
        with pytest.raises(ZeroDivisionError):
            await world.mode()
        world.says("a.test", "1")
        assert await world.mode() == "enforce True"

    assert "ZeroDivisionError: what: the MTA-STS policy of a.test is not known" in run(scene).notes
