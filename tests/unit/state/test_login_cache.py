"""What is remembered of log-ins: for how long, of how many, and never so that it could be read."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.state.login_cache import LoginCache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _cache(clock: Clock, most: int = 10, lifetime: float = 60.0, negative_lifetime: float = 10.0) -> LoginCache:
    return LoginCache(clock, lifetime=lifetime, negative_lifetime=negative_lifetime, most=most)


def test_answers_are_remembered_each_for_its_time() -> None:
    clock = Clock()
    cache = _cache(clock)
    assert cache.find("pam", "ann", "right") is None
    cache.remember("pam", "ann", "right", right=True)
    cache.remember("pam", "ann", "wrong", right=False)
    assert (cache.find("pam", "ann", "right"), cache.find("pam", "ann", "wrong")) == (True, False)
    clock.now += 10
    assert (cache.find("pam", "ann", "right"), cache.find("pam", "ann", "wrong")) == (True, None)
    clock.now += 50
    assert cache.find("pam", "ann", "right") is None
    assert len(cache) == 0


def test_the_latest_answer_counts() -> None:
    cache = _cache(Clock())
    cache.remember("pam", "ann", "x", right=True)
    cache.remember("pam", "ann", "x", right=False)
    assert cache.find("pam", "ann", "x") is False


@pytest.mark.parametrize(("lifetime", "right"), [(0.0, True), (-1.0, True), (0.0, False)])
def test_no_time_is_no_memory(lifetime: float, right: bool) -> None:
    cache = _cache(Clock(), lifetime=lifetime, negative_lifetime=lifetime)
    cache.remember("pam", "ann", "x", right=right)
    assert len(cache) == 0


def test_a_guesser_takes_no_more_room_than_there_is() -> None:
    cache = _cache(Clock(), most=5)
    for number in range(100):
        cache.remember("pam", "ann", str(number), right=False)
    assert len(cache) == 5
    assert [cache.find("pam", "ann", str(number)) for number in (94, 95, 99)] == [None, False, False]


TEXT = st.text(max_size=8)


@given(one=st.tuples(TEXT, TEXT, TEXT), other=st.tuples(TEXT, TEXT, TEXT))
def test_no_login_is_taken_for_another(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    cache = _cache(Clock())
    cache.remember(*one, right=True)
    assert cache.find(*other) is (True if one == other else None)


def test_what_is_remembered_is_under_a_key_of_this_start() -> None:
    one, other = _cache(Clock()), _cache(Clock())
    for cache in (one, other):
        cache.remember("pam", "ann", "secret-password", right=True)
    assert not one._known.keys() & other._known.keys()
    assert b"secret-password" not in pickle.dumps(one._known)
    assert "secret" not in repr(one) and "ann" not in repr(one)
    assert one.find("pam", "ann", "\udcff") is None
