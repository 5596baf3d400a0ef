"""Hosts of SRV records in turn (RFC 2782)."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.deliver.srv_order import in_turn
from gatepost.net.port import MX, SRV

RECORDS = st.lists(st.builds(SRV, st.integers(0, 3), st.integers(0, 65535), st.integers(0, 65535), st.sampled_from("abc")))
CHANCES = st.floats(0, 1, exclude_max=True)


def test_priority_first() -> None:
    assert in_turn([SRV(1, 0, 2, "b"), SRV(0, 0, 1, "a")], lambda: 0.5) == (MX(0, "a", 1), MX(1, "b", 2))


@pytest.mark.parametrize(("weights", "shares"), [((75, 25), (75, 25)), ((1, 1), (67, 33)), ((0, 9), (10, 90)), ((0, 0), (100, 0))])
def test_in_proportion_to_weights(weights: tuple[int, int], shares: tuple[int, int]) -> None:
    """As the RFC has it: a number from 0 to the sum of weights, both included, against the running sums."""
    records = [SRV(0, weight, 25, name) for weight, name in zip(weights, "ab", strict=True)]
    first = Counter(in_turn(records, lambda: n / 1000)[0].host for n in range(1000))
    assert {name: round(first[name] / 10) for name in "ab"} == pytest.approx(dict(zip("ab", shares, strict=True)), abs=1.5)


@given(RECORDS, CHANCES)
def test_each_has_its_turn(records: list[SRV], chance: float) -> None:
    found = in_turn(records, lambda: chance)
    assert sorted((host.host, host.port) for host in found) == sorted((one.target, one.port) for one in records)
    assert [host.preference for host in found] == list(range(len(records)))
