"""The greylister and the shared state: many at a time, others that were first, keys."""

import asyncio

import pytest
from tests.support.settings import default

from gatepost.policy.greylist.attempt import Attempt, client_address, keys, network_of, normal_sender
from gatepost.policy.greylist.greylister import Greylister
from gatepost.policy.greylist.judge import Ground
from gatepost.policy.greylist.records import CLIENTS, TRIPLETS, Client, Triplet, decode
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import NEVER, Space, StateUnavailable

SETTINGS = default(GreylistSettings, greylist_whitelist_clients="", greylist_whitelist_recipients="")
NOW = 1_700_000_000
ATTEMPT = Attempt("192.0.2.1", "unknown", "a@s.test", "b@r.test")


class Slow(LocalStateStore):
    """Others have their turn between a look and a change, as with the store of a machine."""

    async def compare_and_set(self, space: Space, key: bytes, value: bytes, revision: int, expires: float = NEVER) -> int | None:
        await asyncio.sleep(0)
        return await super().compare_and_set(space, key, value, revision, expires)


class Greedy(LocalStateStore):
    """Somebody else is always first."""

    async def compare_and_set(self, space: Space, key: bytes, value: bytes, revision: int, expires: float = NEVER) -> int | None:
        return None


def greylister(store: LocalStateStore, now: float) -> Greylister:
    return Greylister(SETTINGS, store, Whitelists(SETTINGS, print, lambda: 0.0), lambda: now)


def test_of_many_who_come_back_at_once_one_is_the_first() -> None:
    async def come() -> None:
        store = Slow(lambda: NOW)
        found = await asyncio.gather(*(greylister(store, NOW).ask(ATTEMPT) for _ in range(20)))
        assert {one.left for one in found} == {300}
        assert [one.ground for one in found].count(Ground.NEW) == 1
        found = await asyncio.gather(*(greylister(store, NOW + 400).ask(ATTEMPT) for _ in range(20)))
        assert {one.left for one in found} == {0}
        assert [bool(one.header) for one in found].count(True) == 1
        assert decode(await store.get(CLIENTS, b"192.0.2.1"), Client) == Client(1, NOW + 400)

    asyncio.run(come())


def test_others_that_are_always_first_are_a_store_that_cannot_answer() -> None:
    with pytest.raises(StateUnavailable):
        asyncio.run(greylister(Greedy(lambda: NOW), NOW).ask(ATTEMPT))


def test_a_value_that_cannot_be_read_is_a_new_triplet() -> None:
    async def come() -> None:
        store = LocalStateStore(lambda: NOW)
        await store.put(TRIPLETS, b"192.0.2.0/a@s.test/b@r.test", b"\xc1 no record")
        await store.put(CLIENTS, b"192.0.2.1", b"")
        found = await greylister(store, NOW).ask(ATTEMPT)
        assert (found.ground, found.left) == (Ground.NEW, 300)
        assert decode(await store.get(TRIPLETS, b"192.0.2.0/a@s.test/b@r.test"), Triplet) == Triplet(NOW, NOW)

    asyncio.run(come())


@pytest.mark.parametrize(
    ("sender", "normal"),
    [
        ("bob+ext@s.test", "bob@s.test"),
        ("list-12-b34@s.test", "list-#-b34@s.test"),
        ("12@34.test", "#@34.test"),
        ("prvs=1a2b=bob+x-1@s.test", "bob@s.test"),
        ("prvs=a+b=c@s.test", "c@s.test"),
        ("prvs=a=@s.test", "prvs=a=@s.test"),
        ("PRVS=1=a@s.test", "PRVS=#=a@s.test"),
        ("a1_2@s.test", "a1_2@s.test"),
        ("m\u00fcller-1\u00fc@s.test", "m\u00fcller-#\u00fc@s.test"),
        ("12", "12"),
        ("", ""),
    ],
)
def test_what_is_left_of_a_sender(sender: str, normal: str) -> None:
    assert normal_sender(sender) == normal


@pytest.mark.parametrize(
    ("address", "changes", "network"),
    [
        ("192.0.2.77", {}, "192.0.2.0"),
        ("2001:DB8:1:2:3::4", {}, "2001:db8:1:2:0:0:0:0"),
        ("::ffff:192.0.2.77", {}, "192.0.2.0"),
        ("192.0.2.77", {"greylist_lookup_by_host": True}, "192.0.2.77/32"),
        ("2001:db8::1", {"greylist_lookup_by_host": True}, "2001:db8:0:0:0:0:0:1/128"),
        ("10.1.255.255", {"greylist_ipv4cidr": 20}, "10.1.240.0"),
        ("10.1.255.255", {"greylist_ipv4cidr": 0}, "0.0.0.0"),
        ("2001:db8::1", {"greylist_ipv6cidr": 128}, "2001:db8:0:0:0:0:0:1"),
    ],
)
def test_networks_are_written_as_postgrey_writes_them(address: str, changes: dict[str, object], network: str) -> None:
    parsed = client_address(address)
    assert parsed is not None
    assert network_of(parsed, default(GreylistSettings, **changes)) == network


def test_keys_that_are_private_are_postgrey_s_digests() -> None:
    parsed = client_address("192.0.2.1")
    assert parsed is not None
    private = keys(ATTEMPT, parsed, default(GreylistSettings, greylist_privacy=True))
    assert private.triplet == b"68a28d9d46ced57f2e25bac21f9bbba752d36fc5"
    assert private.client == b"e7ac7ecd794e71914a63e2cbdca798fceb5afd12"
