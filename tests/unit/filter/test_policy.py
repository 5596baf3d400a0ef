"""What recipients want, as tables say."""

import asyncio

import pytest

from gatepost.filter.policy import LevelOf, ListOf, Recipients, points_of
from gatepost.filter.verdict import Category, Levels, RecipientPolicy
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps, Tables

C = Category


def maps(text: str = "") -> Maps:
    return Tables(lambda told: None).maps(text, "filter_test_maps")


def policy(address: str, *, kill: str = "", bypass: str = "", lovers: str = "") -> RecipientPolicy:
    async def is_local(domain: str) -> bool:
        return domain == "here.test"

    recipients = Recipients(
        LevelOf(2.0, maps()),
        LevelOf(6.31, maps()),
        LevelOf(6.31, maps(kill)),
        bypass=[ListOf(C.SPAM, maps(bypass)), ListOf(C.VIRUS, maps())],
        lovers=[ListOf(C.VIRUS, maps(lovers))],
        delimiters="+",
        is_local=is_local,
    )
    return asyncio.run(recipients.policy(address))


def test_without_tables_all_want_the_same() -> None:
    assert policy("a@here.test") == RecipientPolicy("a@here.test")
    assert policy("a@far.test") == RecipientPolicy("a@far.test", local=False)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a+b@sub.here.test", True),
        ("a@sub.here.test", True),
        ("@sub.here.test", True),
        ("sub.here.test", True),
        (".here.test", True),
        ("a@", True),
        ("here.test", False),
        ("b@sub.here.test", False),
    ],
)
def test_keys(key: str, found: bool) -> None:
    assert (C.SPAM in policy("a+b@sub.here.test", bypass=f"inline:{{{key}=yes}}").bypass) is found


@pytest.mark.parametrize(
    ("value", "listed"), [("yes", True), ("1", True), ("0", False), ("No", False), ("n", False), ("false", False)]
)
def test_a_list_may_say_no(value: str, listed: bool) -> None:
    assert (C.VIRUS in policy("a@here.test", lovers=f"inline:{{a@here.test={value}}}").lover) is listed


def test_the_address_counts_before_its_domain() -> None:
    table = "inline:{a@here.test=no, here.test=yes}"
    assert policy("a@here.test", bypass=table).bypass == frozenset()
    assert policy("b@here.test", bypass=table).bypass == {C.SPAM}


def test_levels() -> None:
    assert policy("a@here.test", kill="inline:{here.test=20}").levels == Levels(2.0, 6.31, 20.0)
    assert policy("a@far.test", kill="inline:{here.test=20}").levels == Levels()


@pytest.mark.parametrize("value", ["many", "nan", "inf", "1,5"])
def test_a_level_that_is_none_defers(value: str) -> None:
    with pytest.raises(LookupFailure, match="no number of points"):
        policy("a@here.test", kill=f"inline:{{{{a@here.test = {value}}}}}")


@pytest.mark.parametrize(("text", "points"), [("6.31", 6.31), (" 5 ", 5.0), ("-999", -999.0)])
def test_points(text: str, points: float) -> None:
    assert points_of(text) == points
