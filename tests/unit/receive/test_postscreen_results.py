"""What postscreen keeps of a client, as octets of the shared state."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.receive.postscreen import results
from gatepost.receive.postscreen.results import pack, unpack

NOW = 1_800_000_000.0


def test_what_is_kept_is_read_again() -> None:
    passed = {results.Test.PREGREET: NOW, results.Test.BARE_NEWLINE: NOW + 3600}
    assert unpack(pack(passed)) == passed


@pytest.mark.parametrize("damage", [math.nan, math.inf, -math.inf, 1e300, -1.0])
def test_a_value_that_is_no_time_is_no_pass(damage: float) -> None:
    """It would let a client by for ever."""
    stored = struct.pack(">5d", damage, NOW, damage, damage, damage)
    assert unpack(stored) == {results.Test.DNSBL: NOW}


@given(st.binary(max_size=50))
def test_whatever_is_stored_is_times_that_end(stored: bytes) -> None:
    assert all(0 < until < NOW * 10 for until in unpack(stored).values())
