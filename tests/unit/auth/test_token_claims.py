"""What a token says of itself, and whom that lets in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.support.issuer import AUDIENCE, ISSUER, USER, claims

from gatepost.auth.backends.token_claims import Demands, WrongToken, user_of

DEMANDS = Demands("email", ISSUER, frozenset((AUDIENCE, "other")), frozenset(("smtp",)))
NOW = 1_000_000.0


def judged(demands: Demands = DEMANDS, **changes: object) -> str:
    return user_of(claims(**{"iat": NOW, "exp": NOW + 300, **changes}), demands, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["x", "mail"]},
        {"exp": NOW - 59},
        {"nbf": NOW + 59, "iat": NOW + 59},
        {"iat": None},
        {"scope": ["smtp"]},
        {"scope": None, "scp": "smtp x"},
        {"scope": None, "scp": ["smtp"]},
        {"email_verified": True},
        {"exp": NOW + 0.5},
        {"exp": 10**400},
    ],
)
def test_a_token_that_counts(changes: dict[str, object]) -> None:
    assert judged(**changes) == USER


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exp": None}, "until when"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": str(NOW + 300)}, "no time"),
        ({"exp": True}, "no time"),
        ({"exp": -(10**400)}, "expired"),
        ({"nbf": 10**400}, "future"),
        ({"exp": math.nan}, "no time"),
        ({"exp": math.inf}, "no time"),
        ({"nbf": NOW + 61}, "future"),
        ({"iat": NOW + 61}, "future"),
        ({"nbf": "now"}, "no time"),
        ({"iss": None}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": ISSUER[:-1]}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"aud": None}, "audience"),
        ({"aud": "mai"}, "audience"),
        ({"aud": "mail other"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": [["mail"]]}, "audience"),
        ({"aud": {"mail": 1}}, "audience"),
        ({"scope": None}, "does not allow"),
        ({"scope": "smtp.read"}, "does not allow"),
        ({"scope": {"smtp": 1}}, "does not allow"),
        ({"email": None}, "has no email"),
        ({"email": ["a"]}, "has no email"),
        ({"email": ""}, "no name"),
        ({"email": "a\nb"}, "no name"),
        ({"email": "a\0"}, "no name"),
        ({"email": "\ud800"}, "no name"),
        ({"email": " a"}, "no name"),
        ({"email": "a" * 256}, "no name"),
        ({"email_verified": False}, "not verified"),
        ({"email_verified": "false"}, "not verified"),
    ],
)
def test_a_token_that_does_not(changes: dict[str, object], words: str) -> None:
    with pytest.raises(WrongToken, match=words) as caught:
        judged(**changes)
    assert caught.value.status == ("insufficient_scope" if "allow" in words else "invalid_token")


def test_nothing_is_asked_of_it_but_its_name() -> None:
    assert user_of({"username": "anna"}, Demands("username", lasting=True), NOW) == "anna"
    with pytest.raises(WrongToken):
        user_of({"username": "anna", "exp": NOW - 100}, Demands("username", lasting=True), NOW)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one, max_size=2),
)


@given(st.dictionaries(st.sampled_from(("iss", "aud", "exp", "nbf", "iat", "scope", "scp", "email", "email_verified")), _VALUES))
def test_no_claims_raise_anything_else(said: dict[str, object]) -> None:
    for demands in (DEMANDS, replace(DEMANDS, issuer="", audiences=frozenset(), scopes=frozenset(), lasting=True)):
        try:
            assert user_of(said, demands, NOW) == said["email"]
        except WrongToken:
            pass
