"""The report, of triplets that are known; and postgrey's database as octets of any kind."""

import asyncio
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.settings import default

from gatepost.lookup.berkeley_db import NotReadable, pairs
from gatepost.policy.greylist import postgrey
from gatepost.policy.greylist.attempt import Attempt
from gatepost.policy.greylist.greylister import Greylister
from gatepost.policy.greylist.records import TRIPLETS, Client, Triplet, decode
from gatepost.policy.greylist.report import Tally
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.state.local_store import LocalStateStore

SETTINGS = default(GreylistSettings, greylist_whitelist_clients="", greylist_whitelist_recipients="")
NOW = 1_700_000_000
DAY = 86400


def report(*triplets: tuple[bytes, Triplet], settings: GreylistSettings = SETTINGS) -> list[str]:
    tally = Tally(settings, NOW, 7)
    for key, triplet in triplets:
        tally.add(key, triplet)
    return [line.strip() for line in tally.lines()]


def test_what_was_put_off_came_back_or_never_did() -> None:
    key = b"192.0.2.0/a@s.test/b@r.test"
    lines = report(
        (key, Triplet(NOW - DAY, NOW, passed=NOW - DAY + 400)),
        (key, Triplet(NOW - DAY, NOW, passed=NOW - DAY + 5000)),
        (key, Triplet(NOW - DAY, NOW - DAY)),
        (key, Triplet(NOW - 2 * DAY - 1, NOW - DAY)),
        (b"192.0.2.0//b@r.test", Triplet(NOW - 3 * DAY, NOW - DAY)),
        (b"a" * 40, Triplet(NOW - 3 * DAY, NOW - DAY)),
        (key, Triplet(NOW - 8 * DAY, NOW)),
    )
    assert lines[1:] == [
        "6 put off",
        "2 came back and were let in, after 45 min 0 s on average",
        "1 within 10 minutes",
        "1 within 6 hours",
        "1 may still come back",
        "3 never came back",
        "1 s.test",
        "1 <>",
        "1 (hashed)",
        "0 would not have been put off with greylist_identity = spf, name",
    ]


def test_what_the_identity_would_have_saved() -> None:
    one, other = b"1" * 8, b"2" * 8
    lines = report(
        (b"", Triplet(NOW - 500, NOW, passed=NOW - 100, identity=one)),
        (b"", Triplet(NOW - 900, NOW, passed=NOW - 300, identity=one)),
        (b"", Triplet(NOW - 800, NOW, identity=one)),
        (b"", Triplet(NOW - 800, NOW, identity=other)),
    )
    assert lines[-1] == "2 would not have been put off with greylist_identity = spf, name: 6 min 40 s of waiting"
    assert "known by it" in report(settings=default(GreylistSettings, greylist_identity=("spf",)))[-1]


def test_whose_domain_answers_is_recorded_though_nobody_asks_for_it(tmp_path: Path) -> None:
    async def asked() -> list[Triplet | None]:
        store = LocalStateStore(lambda: NOW)
        one = Greylister(SETTINGS, store, Whitelists(SETTINGS, print, lambda: 0.0), lambda: NOW)
        for address in ("192.0.2.1", "198.51.100.1"):
            await one.ask(Attempt(address, "mx.s.test", "a@s.test", "b@r.test", "s.test"))
        return [decode(entry, Triplet) async for _, entry in store.iterate(TRIPLETS)]

    triplets = asyncio.run(asked())
    assert len(triplets) == 2
    assert len({triplet.identity for triplet in triplets if triplet}) == 1


@given(st.binary(max_size=3000))
def test_octets_that_are_no_database(octets: bytes) -> None:
    with pytest.raises(NotReadable):
        list(pairs(io.BytesIO(octets[:12] + b"xxxx" + octets[16:])))


@given(st.binary(min_size=512 * 3, max_size=512 * 3))
def test_pages_of_any_octets_end(octets: bytes) -> None:
    meta = struct.pack("<12xII", 0x053162, 9) + struct.pack("<IBBB", 512, 0, 9, 0) + bytes(512 - 27)
    leaf = octets[:25] + b"\x05" + octets[26:512]
    overflow = octets[512:537] + b"\x07" + octets[538:1024]
    try:
        for key, value in pairs(io.BytesIO(meta + leaf + overflow + octets[1024:])):
            assert len(key) <= 65536
            assert len(value) <= 65536
    except NotReadable:
        pass


META = struct.pack("<12xII", 0x053162, 9) + struct.pack("<IBBB", 512, 0, 9, 0) + bytes(512 - 27)


def leaf(items: bytes, *starts: int) -> bytes:
    """A leaf page with `items` at its end, and an index that points to `starts`."""
    head = struct.pack("<8xIIIHHBB", 1, 0, 0, len(starts), 512 - len(items), 1, 5) + struct.pack(f"<{len(starts)}H", *starts)
    return head.ljust(512 - len(items), b"\0") + items


def overflow(number: int, following: int, held: int) -> bytes:
    return struct.pack("<8xIIIHHBB", number, 0, following, 1, held, 0, 7).ljust(512, b"x")


def large(first: int, length: int) -> bytes:
    return struct.pack("<HBBII", 0, 3, 0, first, length)


def test_an_entry_that_goes_on_on_other_pages() -> None:
    pages = leaf(large(2, 600) + large(4, 10), 488, 500) + overflow(2, 3, 486) + overflow(3, 0, 114) + overflow(4, 0, 10)
    assert [(len(key), len(value)) for key, value in pairs(io.BytesIO(META + pages))] == [(600, 10)]


@pytest.mark.parametrize(
    "pages",
    [
        leaf(large(2, 60000) + large(2, 60000), 488, 500) + overflow(2, 2, 486),
        leaf(large(2, 60000) + large(2, 60000), 488, 500) + overflow(2, 2, 1),
        leaf(large(2, 486) + large(2, 486), 488, 500) + overflow(2, 0, 486),
        leaf(b"\x32\x00\x01" + b"a" * 50, *[459] * 100),
        leaf(b"\x90\x01\x01" * 4 + b"a" * 430, *range(70, 82)),
    ],
    ids=["a circle", "a circle of nearly empty pages", "a page of two entries", "an item many times", "items within items"],
)
def test_what_would_make_much_of_little_is_damage(pages: bytes) -> None:
    read = 0
    with pytest.raises(NotReadable):
        for key, value in pairs(io.BytesIO(META + pages)):
            read += len(key) + len(value)
    assert read <= 2 * len(pages)


HASHED = b"68a28d9d46ced57f2e25bac21f9bbba752d36fc5"


def test_entries_of_postgrey() -> None:
    entries = [
        (b"192.0.2.0/A@s.test/b@r.test", b"100,399"),
        (b"192.0.2.0/a@s.test/b@r.test\0", b"100,400\0"),
        (HASHED, b"100,400"),
        (b"x", b"100,400"),
        (b"192.0.2.0/a/b", b"100"),
        (b"192.0.2.0/a/b", b"-1,1e999"),
    ]
    taken = list(postgrey.triplets(entries, SETTINGS, NOW))
    assert taken[0] == (b"192.0.2.0/a@s.test/b@r.test", Triplet(100, 399, 0, 2))
    assert taken[1] == (b"192.0.2.0/a@s.test/b@r.test", Triplet(100, 400, 400, 2))
    assert [str(one) for one in taken[2:]] == [
        "hashed: set greylist_privacy = yes first",
        "no triplet",
        "no two numbers",
        "no two numbers",
    ]
    private = default(GreylistSettings, greylist_privacy=True)
    assert list(postgrey.triplets(entries[2:3], private, NOW)) == [(HASHED, Triplet(100, 400, 400, 2))]
    plain = (b"192.0.2.0/a@s.test/b@r.test", b"100,100")
    assert list(postgrey.triplets([plain], private, NOW)) == [(HASHED, Triplet(100, 100, 0, 1))]
    clients = [(b"2001:DB8:0:0:0:0:0:1", b"3,99"), (b"192.0.2.1", b"99999999999,99"), (b"x", b"1,1")]
    taken_clients = list(postgrey.clients(clients, SETTINGS, NOW))
    assert taken_clients[:2] == [(b"2001:db8:0:0:0:0:0:1", Client(3, 99)), (b"192.0.2.1", Client(1 << 20, 99))]
    assert str(taken_clients[2]) == "no address"


def test_what_is_dated_from_times_to_come_is_left_out() -> None:
    """It would never be forgotten."""
    later = str(NOW + 2 * DAY).encode()
    values = [later + b"," + later, b"1," + later, later + b",1"]
    triplets = [(b"192.0.2.0/a@s.test/b@r.test", value) for value in values]
    clients = [(b"192.0.2.1", b"5," + later)]
    told = [*postgrey.triplets(triplets, SETTINGS, NOW), *postgrey.clients(clients, SETTINGS, NOW)]
    assert [str(one) for one in told] == ["of a time to come"] * 4
