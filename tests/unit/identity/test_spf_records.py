"""Records: what they may be made of, and that a mistake anywhere spoils the whole (RFC 7208 §4.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.identity.spf.port import Result
from gatepost.identity.spf.record import RECORD_LIMIT, RecordError, chosen, parse

MECHANISMS = ["all", "a", "mx", "ptr", "a:x.example", "mx:x.example/24", "a/24//64", "include:x.example", "exists:%{i}.x.example",
              "ip4:192.0.2.0/24", "ip6:2001:db8::/32", "ptr:x.example", "a//128"]  # fmt: skip


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    ("qualifier", "result"),
    [("", Result.PASS), ("+", Result.PASS), ("-", Result.FAIL), ("~", Result.SOFTFAIL), ("?", Result.NEUTRAL)],
)
def test_mechanisms(mechanism: str, qualifier: str, result: Result) -> None:
    (directive,) = parse(f"v=spf1 {qualifier}{mechanism.upper() if '%' not in mechanism else mechanism}").directives
    assert directive.result is result
    assert directive.name == mechanism.partition(":")[0].partition("/")[0]


@pytest.mark.parametrize(
    "term",
    [
        "moo", "all.", "all:x.example", "all/8", "a/33", "a//129", "a/024", "a/24/64", "a:", "include",
        "include:", "include:x.example/24", "exists", "ip4", "ip4:192.0.2", "ip4:192.0.2.1/33",
        "ip4:192.0.2.1/", "ip4:192.0.2.1:25", "ip4:192.0.2.01", "ip6:1", "ip6:::1//3", "ip4:2001:db8::1",
        "ip6:192.0.2.1", "ptr/0", "redirect=", "exp=", "redirect=-all", "=x", "1up=x", "x=%", "++all", "+",
        "a\tmx", "ip4:1.2.3.4\n", "ip4:\u0661.2.3.4", "a:x.example\x00",
        "redirect=a.example redirect=a.example", "exp=a.example exp=b.example",
    ],
)  # fmt: skip
def test_mistakes(term: str) -> None:
    for record in (f"v=spf1 {term}", f"v=spf1 {term} -all", f"v=spf1 -all {term}"):
        with pytest.raises(RecordError):
            parse(record)


def test_modifiers_that_nobody_knows() -> None:
    assert parse("v=spf1 moo.cow-far_out=man:dog/cat ra=postmaster rr=all -all").sends_no_mail


def test_who_passes_all() -> None:
    for text, everybody in (
        ("+all", True),
        ("all", True),
        ("ip4:0.0.0.0/0 -all", True),
        ("-all", False),
        ("?all", False),
        ("a/0", False),
    ):
        assert parse(f"v=spf1 {text}").passes_all is everybody, text


def test_a_record_has_an_end() -> None:
    parse("v=spf1" + " a" * ((RECORD_LIMIT - 6) // 2))
    with pytest.raises(RecordError, match="too long"):
        parse("v=spf1 " + "a" * RECORD_LIMIT)


def test_choosing() -> None:
    assert chosen(["x", "v=spf10", "V=SPF1 -all", "v=spf2"]) == "V=SPF1 -all"
    assert chosen(["v=spf1"]) == "v=spf1"
    assert chosen(["v=spf1\t-all", ""]) is None
    with pytest.raises(RecordError, match="more than one"):
        chosen(["v=spf1", "v=spf1 -all"])


@given(st.lists(st.sampled_from(MECHANISMS), max_size=10))
def test_order_is_kept(terms: list[str]) -> None:
    assert [one.text for one in parse(" ".join(["v=spf1", *terms])).directives] == terms


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        record = parse(f"v=spf1 {text}")
    except RecordError as error:
        assert str(error).isprintable()
        assert str(error).isascii()
    else:
        assert all(directive.text in text for directive in record.directives)
