"""Guessing: what is a guess, for whom it counts, and who is turned away."""

import asyncio
import os
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.support.checker_contract import ATTEMPT

from gatepost.auth.guard import Guard, GuardSettings
from gatepost.auth.port import Attempt
from gatepost.lookup.port import LookupFailure
from gatepost.proto.sasl.port import Accepted, HasShown, IsPassword, PasswordOf, Question, Refused, Secret, Unavailable, Verdict
from gatepost.state.guesses import GuessTables, guesses

SETTINGS = GuardSettings(5, 3, 32, 64)
UNIT = 3600.0


class Backend:
    """Knows anna, ben and carl, whose password is `right`; `away`: says nothing."""

    answers: frozenset[type[Question]] = frozenset((IsPassword,))

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsPassword)
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            return Unavailable("away")
        return Accepted(question.user) if question.password.octets == b"right" else Refused()


class Site:
    def __init__(self, settings: GuardSettings = SETTINGS, tables: GuessTables | None = None) -> None:
        self.now = 1_700_000_000.0
        self.backend = Backend()
        self.excepted: Callable[[str, str], object] = lambda name, address: address.startswith("127.")
        guessing = guesses(tables or GuessTables(), UNIT, lambda: self.now)
        self.guard = Guard(self.backend, settings, guessing, self._excepted)

    async def _excepted(self, name: str, address: str) -> bool:
        return bool(self.excepted(name, address))

    async def check(self, user: str, password: bytes, address: str) -> Verdict:
        return await self.guard.check(IsPassword(user, Secret(password)), replace(ATTEMPT, client_address=address))

    def ask(self, user: str = "anna", password: bytes = b"right", address: str = "192.0.2.1") -> Verdict:
        return asyncio.run(self.check(user, password, address))

    def guess(self, count: int, user: str = "", address: str = "192.0.2.1", tag: str = "") -> list[Verdict]:
        return [self.ask(user or f"user{n}{tag}", b"%d%s" % (n, tag.encode()), address) for n in range(count)]


def _turned(verdict: Verdict) -> bool:
    return isinstance(verdict, Unavailable) and "too many wrong passwords" in verdict.reason


def test_a_network_has_so_many_guesses_and_no_hash_more() -> None:
    site = Site()
    verdicts = site.guess(8)
    assert verdicts[:5] == [Refused()] * 5
    assert all(map(_turned, verdicts[5:]))
    assert site.backend.asked == 5
    assert not _turned(site.ask(address="192.0.2.2"))  # others are not concerned


def test_so_has_a_user_from_wherever_they_come() -> None:
    site = Site()
    verdicts = [site.ask("anna", b"%d" % n, f"198.51.100.{n}") for n in range(6)]
    assert [_turned(verdict) for verdict in verdicts] == [False] * 3 + [True] * 3
    assert site.ask("ben") == Accepted("ben")


def test_the_time_goes_by() -> None:
    site = Site()
    site.guess(6)
    assert _turned(site.ask())
    site.now += UNIT
    assert site.ask() == Accepted("anna")


def test_the_same_wrong_password_counts_once() -> None:
    site = Site()
    for _ in range(100):
        assert site.ask("anna", b"old") == Refused()
        site.now += 20
    assert site.ask() == Accepted("anna")


def test_the_same_password_of_many_users_is_many_guesses() -> None:
    site = Site()
    verdicts = [site.ask(f"user{n}", b"Summer2026") for n in range(7)]
    assert [_turned(verdict) for verdict in verdicts] == [False] * 5 + [True] * 2


def test_right_ones_do_not_count() -> None:
    site = Site()
    for _ in range(30):
        assert site.ask() == Accepted("anna")
        assert site.ask("ben", b"right", "192.0.2.1") == Accepted("ben")
    assert site.guess(5) == [Refused()] * 5


def test_who_could_not_be_asked_about_has_not_guessed() -> None:
    site = Site()
    site.backend.away = True
    for number in range(20):
        assert site.ask("anna", b"%d" % number) == Unavailable("away")
    site.backend.away = False
    assert site.guess(3, "anna") == [Refused()] * 3  # none of them is taken for one that was tried
    assert _turned(site.ask("anna", b"4"))


def test_a_user_is_not_shut_out_where_he_is_at_home() -> None:
    site = Site()
    assert site.ask(address="203.0.113.7") == Accepted("anna")
    for number in range(6):
        site.ask("anna", b"%d" % number, f"198.51.100.{number}")
    assert _turned(site.ask("anna", b"right", "198.51.100.99"))
    assert site.ask(address="203.0.113.7") == Accepted("anna")
    site.guess(6, address="203.0.113.7")
    assert site.ask(address="203.0.113.7") == Accepted("anna")  # nor by a neighbour


def test_at_home_there_is_a_limit_as_well() -> None:
    site = Site()
    site.ask()
    assert [_turned(verdict) for verdict in site.guess(5, "anna")] == [False] * 3 + [True] * 2


def test_networks_with_an_exception_have_no_count_but_users_do() -> None:
    site = Site()
    assert not any(map(_turned, site.guess(20, address="127.0.0.1")))
    assert any(map(_turned, site.guess(5, "anna", "127.0.0.1")))


def test_a_list_that_cannot_say_makes_no_exception() -> None:
    site = Site()

    def fails(name: str, address: str) -> bool:
        raise LookupFailure("hash:/x", "gone")

    site.excepted = fails
    assert _turned(site.guess(6)[5])


@pytest.mark.parametrize("address", ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:0:1::"])
def test_an_ipv6_network(address: str) -> None:
    site = Site()
    site.guess(5, address="2001:db8::2")
    assert _turned(site.ask("ben", b"x", address))
    assert not _turned(site.ask("ben", b"x", "2001:db8:0:1::1"))


@pytest.mark.parametrize("name", ["ANNA", "Anna", "ａnna", "ännä", "anna\u0301"])
def test_names_that_a_directory_takes_for_one_are_one(name: str) -> None:
    site = Site()
    site.guess(3, "anna")
    assert _turned(site.ask(name, b"x", "198.51.100.3"))


@pytest.mark.parametrize("address", ["", "unknown", "::ffff:192.0.2.1", "fe80::1%eth0"])
def test_any_address(address: str) -> None:
    assert not _turned(Site().ask(address=address))


def test_zero_is_no_limit() -> None:
    site = Site(GuardSettings(0, 0, 32, 64))
    assert not any(map(_turned, site.guess(50, "anna")))


def test_many_at_one_time_are_as_many_as_the_limit() -> None:
    site = Site(GuardSettings(1000, 3, 32, 64))

    async def crowd() -> list[Verdict]:
        return await asyncio.gather(*(site.check("anna", b"%d" % n, f"198.51.100.{n}") for n in range(40)))

    assert sum(verdict == Refused() for verdict in asyncio.run(crowd())) == 3
    assert site.backend.asked == 3


def _shows(site: Site, user: str, right: bool, address: str = "192.0.2.1") -> Verdict:
    return asyncio.run(site.guard.check(HasShown(user, right), replace(ATTEMPT, client_address=address)))


def test_wrong_answers_to_challenges_count_with_wrong_passwords() -> None:
    site = Site()
    assert [_shows(site, "anna", False, f"198.51.100.{n}") for n in range(2)] == [Refused()] * 2
    assert site.ask("anna", b"wrong", "198.51.100.3") == Refused()
    assert _turned(site.ask("anna", address="198.51.100.4"))
    assert _turned(_shows(site, "anna", True, "198.51.100.5"))  # right ones, too: nobody learns which it was
    assert _turned(asyncio.run(site.guard.check(PasswordOf("anna"), replace(ATTEMPT, client_address="198.51.100.6"))))


def test_right_answers_do_not_count_and_make_a_network_familiar() -> None:
    site = Site()
    assert [_shows(site, "anna", True) for _ in range(10)] == [Accepted("anna")] * 10
    site.guess(3, "anna", "198.51.100.1")
    assert _turned(site.ask("anna", address="198.51.100.2"))
    assert _shows(site, "anna", True) == Accepted("anna")


def test_many_answers_at_one_time_are_as_many_as_the_limit() -> None:
    site = Site(GuardSettings(1000, 3, 32, 64))

    async def crowd() -> list[Verdict]:
        attempts = [replace(ATTEMPT, client_address=f"198.51.100.{n}") for n in range(40)]
        return await asyncio.gather(*(site.guard.check(HasShown("anna", n == 39), one) for n, one in enumerate(attempts)))

    verdicts = asyncio.run(crowd())
    assert verdicts.count(Refused()) == 3
    assert Accepted("anna") not in verdicts


def test_who_hangs_up_has_guessed() -> None:
    site = Site()

    async def impatient() -> None:
        for number in range(3):
            asking = asyncio.ensure_future(site.check("anna", b"%d" % number, "192.0.2.1"))
            while site.backend.asked <= number:  # noqa: ASYNC110
                await asyncio.sleep(0)
            asking.cancel()

    asyncio.run(impatient())
    assert _turned(site.ask("anna", b"4"))


def test_all_workers_count_together() -> None:
    tables, workers = GuessTables(), 4
    reading, writing = os.pipe()
    for worker in range(workers):
        if os.fork() == 0:
            try:
                site = Site(GuardSettings(10_000, 100, 32, 64), tables)
                tried = sum(not _turned(site.ask("anna", b"%d %d" % (worker, n))) for n in range(60))
                os.write(writing, b"%d\n" % tried)
            finally:
                os._exit(0)
    for _ in range(workers):
        os.wait()
    os.close(writing)
    assert sum(map(int, os.read(reading, 1000).split())) == 100


def test_no_text_has_the_password() -> None:
    tables = GuessTables()
    assert "topsecret" not in guesses(tables, UNIT, lambda: 0.0).digest("anna", b"topsecret")
    assert repr(tables.key) not in repr(guesses(tables, UNIT, lambda: 0.0))
