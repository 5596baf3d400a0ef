"""The brake for stolen passwords: what counts, when it holds, many at a time, others that were first; the clock is ours."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.settings import default

from gatepost.policy.brake import brake as admin
from gatepost.policy.brake.account import ACCOUNTS, MOST_NETWORKS, Account, account_of, key_of, network_of, networks_with
from gatepost.policy.brake.brake import Brake
from gatepost.policy.brake.counts import DAY, HOUR, NOTHING, Measure, Period, added, day_of, total
from gatepost.policy.brake.judge import Judgement, limits_of
from gatepost.policy.brake.recipients import MOST, RECIPIENTS, digests, known, with_used
from gatepost.policy.brake.settings import BrakeSettings
from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import NEVER, Entry, Space, StateUnavailable

START = 1_700_000_000.0
LOGIN = "anna@example.com"


class Slow(LocalStateStore):
    """Others have their turn between a look and a change, as with the store of a machine. `changes`: how many were made."""

    changes = 0

    async def compare_and_set(self, space: Space, key: bytes, value: bytes, revision: int, expires: float = NEVER) -> int | None:
        await asyncio.sleep(0)
        self.changes += 1
        return await super().compare_and_set(space, key, value, revision, expires)


class Play:
    """A login, a store and a clock that go on from message to message."""

    def __init__(self, **limits: object) -> None:
        self.now = START
        self.store = Slow(lambda: self.now)
        self.settings = default(BrakeSettings, **{f"submission_{name}": value for name, value in limits.items()})
        self.brake = Brake(self.settings, self.store, lambda: self.now)

    async def send(self, *to: str, login: str = LOGIN, client: str = "192.0.2.1") -> Judgement:
        return await self.brake.ask(login, client, to or ("b@example.net",))

    async def account(self) -> Account:
        return account_of(await self.store.get(ACCOUNTS, key_of(LOGIN)), LOGIN)

    async def lift(self, login: str = LOGIN) -> bool:
        return await admin.lift(self.store, login, self.now, self.settings.submission_max_age)


def people(number: int, first: int = 0) -> list[str]:
    return [f"r{first + one}@example.net" for one in range(number)]


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize(("period", "seconds"), [(HOUR, 3600), (DAY, 86400)], ids=["hour", "day"])
def test_each_limit_holds_what_is_beyond_it(measure: Measure, period: Period, seconds: int) -> None:
    """A message, recipient, new recipient, bounce and new network each; three of them are in order, one more is not."""

    async def play() -> None:
        one = Play(**{f"{measure.name.lower()}_{period.name}_limit": 3})
        for number in range(3):
            found = await one.send(f"r{number}@example.net", client=f"192.0.{number}.1")
            await one.brake.bounced(LOGIN, 1)
            assert (found.held, found.why) == (False, "")
            one.now += seconds / 4
        found = await one.send("new@example.net", client="198.51.100.1")
        if measure is Measure.BOUNCE:  # of a message that is on its way: the next one is judged by it
            assert not found.held
            await one.brake.bounced(LOGIN, 1)
            found = await one.send()
        assert (found.held, found.begins) == (True, True)
        assert f"submission_{measure.name.lower()}_{period.name}_limit is 3" in found.why

    asyncio.run(play())


@pytest.mark.parametrize(("period", "seconds"), [(HOUR, 3600), (DAY, 86400)], ids=["hour", "day"])
def test_what_is_long_over_does_not_count(period: Period, seconds: int) -> None:
    async def play() -> None:
        one = Play(**{f"recipient_{period.name}_limit": 3})
        for _ in range(5):
            assert not (await one.send(*people(3))).held
            one.now += seconds + period.slot

    asyncio.run(play())


def test_who_was_written_to_before_is_not_new_until_he_is_forgotten() -> None:
    async def play() -> None:
        one = Play(new_recipient_day_limit=3)
        assert not (await one.send(*people(3))).held
        for _ in range(20):
            assert not (await one.send(*people(3), "R0@EXAMPLE.net")).held
        one.now += one.settings.submission_max_age + 86400
        assert not (await one.send(*people(3))).held
        assert (await one.send("one@more.test")).held
        assert len(known(await one.store.get(RECIPIENTS, key_of(LOGIN)))) == 3

    asyncio.run(play())


def test_a_block_stays_until_it_is_lifted_and_costs_no_more_changes() -> None:
    async def play() -> None:
        one = Play(message_hour_limit=2)
        found = [await one.send() for _ in range(4)]
        assert [(f.held, f.begins) for f in found] == [(False, False), (False, False), (True, True), (True, False)]
        one.now += 300 * 86400
        changes = one.store.changes
        assert (await one.send()).held
        assert one.store.changes == changes
        assert await one.lift()
        assert not await one.lift()
        assert [(await one.send()).held for _ in range(3)] == [False, False, True]

    asyncio.run(play())


def test_a_block_by_hand_holds_whatever_the_limits_say() -> None:
    async def play() -> None:
        one = Play(message_hour_limit=100, limit_action="warn")
        assert await admin.block(one.store, LOGIN, "blocked by root", one.now, one.settings.submission_max_age)
        assert not await admin.block(one.store, LOGIN, "again", one.now, one.settings.submission_max_age)
        found = await one.send()
        assert (found.held, found.begins, found.why) == (True, False, "blocked by root")

    asyncio.run(play())


def test_a_dry_run_tells_and_goes_on_counting() -> None:
    async def play() -> None:
        one = Play(recipient_hour_limit=3, limit_action="warn")
        assert [(await one.send(*people(2))).why for _ in range(3)] == [
            "", "4 recipients in an hour, submission_recipient_hour_limit is 3",
            "6 recipients in an hour, submission_recipient_hour_limit is 3",
        ]  # fmt: skip
        assert (await one.account()).block is None

    asyncio.run(play())


def test_of_many_at_once_no_more_go_out_than_the_limit_says() -> None:
    """Two workers, a hundred sessions each; the burst begins once."""

    async def play() -> None:
        one = Play(message_hour_limit=50, new_recipient_day_limit=1000)
        other = Brake(one.settings, one.store, lambda: one.now)
        found = await asyncio.gather(
            *(brake.ask(LOGIN, "192.0.2.1", people(1, number)) for number in range(100) for brake in (one.brake, other))
        )
        assert [f.held for f in found].count(False) == 50
        assert [f.begins for f in found].count(True) == 1
        assert not list(one.brake._turns)

    asyncio.run(play())


def test_others_that_are_always_first_are_a_store_that_cannot_answer() -> None:
    class Greedy(LocalStateStore):
        async def compare_and_set(self, *_: object, **__: object) -> int | None:
            return None

    one = Play(message_hour_limit=1)
    brake = Brake(one.settings, Greedy(lambda: START), lambda: START)
    with pytest.raises(StateUnavailable):
        asyncio.run(brake.ask(LOGIN, "", ["b@example.net"]))


@pytest.mark.parametrize("junk", [b"", b"\xc1", b"\x91\x00", b"x" * 60000])
def test_a_record_that_cannot_be_read_is_none(junk: bytes) -> None:
    async def play() -> None:
        one = Play(message_hour_limit=1, new_recipient_hour_limit=1)
        await one.store.put(ACCOUNTS, key_of(LOGIN), junk)
        await one.store.put(RECIPIENTS, key_of(LOGIN), junk + b"1")
        assert [(await one.send()).held for _ in range(2)] == [False, True]

    asyncio.run(play())


def test_bounces_of_whom_nobody_counts_are_not_stored() -> None:
    async def play() -> None:
        one = Play(bounce_hour_limit=1)
        await one.brake.bounced("nobody@example.com", 1)
        assert [key async for key, _ in one.store.iterate(ACCOUNTS)] == []

    asyncio.run(play())


@pytest.mark.parametrize(
    "other", ["ANNA@example.com", " anna@Example.com ", "anna@exam ple.com", "\uff41nna@example.com"], ids=ascii
)
def test_ways_to_write_a_login_are_one_login(other: str) -> None:
    assert key_of(other) == key_of(LOGIN)


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=()), max_size=20))
def test_any_login_is_counted(login: str, address: str) -> None:
    """Whatever stands in it: keys and records are bounded, and can be written down."""

    async def play() -> None:
        one = Play(message_hour_limit=1, new_recipient_hour_limit=5)
        assert not (await one.brake.ask(login, address, ["b@example.net"])).held
        assert (await one.brake.ask(login, address, ["b@example.net"])).held
        [(key, entry)] = [each async for each in one.store.iterate(ACCOUNTS)]
        assert len(key) <= 255
        assert len(entry.value) < 2000

    login = "".join(c for c in login if not 0xD800 <= ord(c) < 0xDC80 and not 0xDCFF < ord(c) < 0xE000)
    asyncio.run(play())


def test_networks() -> None:
    assert [network_of(a) for a in ("192.0.2.77", "::ffff:192.0.2.77", "2001:db8::5:1", "fe80::1%eth0", "unknown", "")] == [
        "192.0.2.0/24", "192.0.2.0/24", "2001:db8::/64", "fe80::/64", "", "",
    ]  # fmt: skip


def test_what_is_stored_is_bounded() -> None:
    """However long it goes on, and from however many networks, to however many recipients."""
    account = Account(LOGIN)
    for number in range(3 * MOST_NETWORKS):
        account = Account(LOGIN, networks=networks_with(account, f"net{number}", START + number * 86400, 35 * 86400))
    assert len(account.networks) <= MOST_NETWORKS
    slots = {}
    for number in range(1000):
        slots = added(slots, HOUR, (1, 1, 1, 1, 1), START + 77 * number)
    assert len(slots) <= HOUR.slots
    used = digests(b"anna", people(MOST + 100))
    update = with_used({}, used, START, 86400)
    assert update is not None
    assert len(known(Entry(update.value, 1))) == MOST
    assert with_used(dict.fromkeys(used, int(START) // 86400), used, START, 86400) is None


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 9)), max_size=60))
def test_no_hour_has_more_than_was_counted_in_it(sent: list[tuple[int, int]]) -> None:
    """What the slots say of the last hour is never less than what it had, nor more than what an hour and a slot had."""
    slots, now, history = {}, START, []
    for pause, number in sent:
        now += pause
        slots = added(slots, HOUR, (number, 0, 0, 0, 0), now)
        history.append((now, number))
        least = sum(n for at, n in history if now - at < 3600)
        most = sum(n for at, n in history if now - at < 3600 + HOUR.slot)
        assert least <= total(slots, HOUR, now)[0] <= most


def test_a_clock_that_was_put_back_holds_nobody() -> None:
    slots = added({}, HOUR, (5, 0, 0, 0, 0), START + 10**7)
    assert total(slots, HOUR, START) == NOTHING
    assert networks_with(Account(LOGIN, networks={"192.0.2.0/24": 10**6}), "", START, 86400) == {"192.0.2.0/24": day_of(START)}

    async def play() -> None:
        one = Play(new_recipient_hour_limit=3, new_network_hour_limit=1)
        assert not (await one.send(*people(3))).held
        for later in (-3 * 86400, 1e10):
            one.now = START + later
            assert not (await one.send(*people(3))).held

    asyncio.run(play())


def test_no_limit_is_set_by_default() -> None:
    assert limits_of(default(BrakeSettings)) == ()
