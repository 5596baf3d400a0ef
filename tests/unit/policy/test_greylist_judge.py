"""What becomes of an attempt, of what is known and the time. That this is postgrey's: tests/integration/test_greylist_alike.py."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.settings import default

from gatepost.policy.greylist.judge import HOUR, Ground, client_expires, expires, judge
from gatepost.policy.greylist.records import FOREVER, Client, Triplet, decode, encode
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.state.port import Entry

SETTINGS = default(GreylistSettings)
NOW = 1_700_000_000
DAY = 86400


def ground(triplet: Triplet | None, now: int, client: Client | None = None) -> tuple[Ground, int, int]:
    judgement = judge(SETTINGS, triplet, client, now)
    return judgement.ground, judgement.left, judgement.waited


@pytest.mark.parametrize(
    ("triplet", "now", "said"),
    [
        (None, NOW, (Ground.NEW, 300, 0)),
        (Triplet(NOW, NOW), NOW, (Ground.EARLY, 300, 0)),
        (Triplet(NOW, NOW), NOW + 299, (Ground.EARLY, 1, 0)),
        (Triplet(NOW, NOW), NOW + 300, (Ground.TRIPLET, 0, 300)),
        (Triplet(NOW, NOW), NOW + 2 * DAY, (Ground.TRIPLET, 0, 2 * DAY)),
        (Triplet(NOW, NOW), NOW + 2 * DAY + 1, (Ground.NEW, 300, 0)),
        (Triplet(NOW, NOW + 299), NOW + 2 * DAY + 1, (Ground.NEW, 300, 0)),
        (Triplet(NOW, NOW + 400, passed=NOW + 400), NOW + 30 * DAY, (Ground.TRIPLET, 0, 0)),
        (Triplet(NOW + DAY, NOW + DAY), NOW, (Ground.NEW, 300, 0)),  # the clock was put back
    ],
)
def test_a_triplet(triplet: Triplet | None, now: int, said: tuple[Ground, int, int]) -> None:
    assert ground(triplet, now) == said


def test_a_client_that_came_back_often_enough() -> None:
    assert ground(None, NOW, Client(4, NOW)) == (Ground.NEW, 300, 0)
    assert ground(None, NOW, Client(5, NOW)) == (Ground.CLIENT, 0, 0)
    assert ground(None, NOW + 300 * DAY, Client(FOREVER, 0)) == (Ground.CLIENT, 0, 0)


def test_one_success_an_hour_counts_and_only_the_first_of_a_triplet() -> None:
    fresh, known = Triplet(NOW, NOW), Triplet(NOW, NOW + 300, passed=NOW + 300)
    assert judge(SETTINGS, fresh, None, NOW + 300).client == Client(1, NOW + 300)
    assert judge(SETTINGS, fresh, Client(1, NOW), NOW + HOUR - 1).client is None
    assert judge(SETTINGS, fresh, Client(1, NOW), NOW + HOUR).client == Client(2, NOW + HOUR)
    assert judge(SETTINGS, known, Client(1, NOW), NOW + 9 * HOUR).client is None


def test_without_auto_whitelisting_nobody_is_counted_but_who_is_allowed_is() -> None:
    never = msgspec.structs.replace(SETTINGS, greylist_auto_whitelist_clients=0)
    assert judge(never, Triplet(NOW, NOW), Client(99, NOW), NOW + 300).client is None
    assert judge(never, Triplet(NOW, NOW), Client(99, NOW), NOW + 300).waited == 300
    assert judge(never, None, Client(FOREVER, NOW), NOW).ground is Ground.CLIENT


def test_who_hammers_does_not_make_us_write() -> None:
    triplet, written = None, 0
    for second in range(299):
        judgement = judge(SETTINGS, triplet, None, NOW + second)
        written += judgement.triplet is not None
        triplet = judgement.triplet or triplet
    assert written <= 7
    passed, written = Triplet(NOW - 300, NOW, passed=NOW, attempts=2), 0
    for minute in range(24 * 60):
        judgement = judge(SETTINGS, passed, None, NOW + 60 * minute)
        written += judgement.triplet is not None
        passed = judgement.triplet or passed
    assert written <= 24


def test_what_did_not_come_back_is_forgotten_first() -> None:
    assert expires(SETTINGS, Triplet(NOW, NOW)) < NOW + 8 * DAY
    assert expires(SETTINGS, Triplet(NOW, NOW + 300, passed=NOW + 300)) >= NOW + 300 + 35 * DAY
    assert client_expires(SETTINGS, Client(1, NOW)) >= NOW + 35 * DAY


def test_no_delay_lets_in_at_once() -> None:
    none = msgspec.structs.replace(SETTINGS, greylist_delay=0.0)
    judgement = judge(none, None, None, NOW)
    assert (judgement.left, judgement.waited) == (0, 0)
    assert judgement.triplet == Triplet(NOW, NOW, passed=NOW)


@given(st.binary(max_size=40))
def test_a_record_that_cannot_be_read_is_none(octets: bytes) -> None:
    entry = Entry(octets, 1)
    for record in (decode(entry, Triplet), decode(entry, Client)):
        assert record is None or isinstance(record, Triplet | Client)


def test_records_are_small() -> None:
    triplet = Triplet(NOW, NOW, NOW, 99, b"x" * 8)
    assert decode(Entry(encode(triplet), 1), Triplet) == triplet
    assert len(encode(triplet)) < 32


def test_a_clock_that_was_put_back_keeps_nobody_out_for_years() -> None:
    """What was written while it was ahead counts from now on."""
    ahead = NOW + 20 * 365 * DAY
    waiting = judge(SETTINGS, Triplet(ahead, ahead), None, NOW)
    assert (waiting.ground, waiting.triplet) == (Ground.NEW, Triplet(NOW, NOW))
    known = judge(SETTINGS, Triplet(NOW - DAY, ahead, NOW - DAY + 400, 3), None, NOW)
    assert known.triplet is not None
    assert known.triplet.last == NOW
    counted = judge(SETTINGS, Triplet(NOW - 400, NOW - 400), Client(2, ahead), NOW)
    assert counted.client == Client(3, NOW)
