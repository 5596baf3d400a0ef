"""Macro strings (RFC 7208 §7): the examples of §7.4, hostile ones, and that nothing makes more than what is used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.identity.spf.macro import (
    NAME_LIMIT,
    MacroError,
    domain_spec,
    expand_name,
    expand_text,
    explain_string,
    macro_string,
    transformed,
)

VALUES = {
    "s": "strong-bad@email.example.com", "l": "strong-bad", "o": "email.example.com", "d": "email.example.com",
    "i": "192.0.2.3", "p": "mx.example.org", "v": "in-addr", "h": "mx.example.org", "c": "192.0.2.3", "r": "receiver.example",
    "t": "1000",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{d00002}", "example.com"),
        (f"%{{d{'9' * 5000}}}", "email.example.com"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{p}.example.", "mx.example.org.example"),
    ],
)
def test_examples(text: str, expanded: str) -> None:
    assert expand_name(domain_spec(text), VALUES) == expanded


@pytest.mark.parametrize(
    "text", ["", "com", "a.123", "a.-b", "a.b-", "%{c}", "%{x}", "%{d0}", "%d", "%", "a b.c", "a.b\r\n", "é.com", "%{d", "%{p}."]
)
def test_what_names_no_domain(text: str) -> None:
    with pytest.raises(MacroError):
        domain_spec(text)


def test_a_long_name_loses_labels_on_its_left() -> None:
    long = expand_name(domain_spec("%{h}" * 50 + ".example.com"), {"h": "label." * 10})
    assert len(long) <= NAME_LIMIT
    assert long.startswith("label.")
    assert long.endswith("label..example.com")


def test_a_name_of_one_long_label_is_none() -> None:
    assert expand_name(domain_spec("%{h}"), {"h": "x" * 300}) == ""


def test_no_more_is_made_than_is_used() -> None:
    """A record of 8192 octets names up to 2000 macros; of long values only the last ones are looked at."""
    asked = []

    class Counting(dict[str, str]):
        def __getitem__(self, letter: str) -> str:
            asked.append(letter)
            return super().__getitem__(letter)

    expand_name(domain_spec("%{h}" * 2000), Counting(h="x" * 200))
    assert len(asked) < 5
    asked.clear()
    expand_text(explain_string("%{h}" * 2000), Counting(h="x" * 200), 256)
    assert len(asked) < 5


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (domain_spec, macro_string, explain_string):
        try:
            parsed = read(text)
        except MacroError:
            continue
        assert len(expand_text(parsed, VALUES, 100)) <= 100
        assert len(expand_name(parsed, VALUES)) <= NAME_LIMIT


@given(st.integers(1, 5), st.booleans(), st.lists(st.text("abc-", min_size=1, max_size=4), min_size=1, max_size=6))
def test_parts_are_those_on_the_right(parts: int, reverse: bool, labels: list[str]) -> None:
    spec = macro_string(f"%{{d{parts}{'r' if reverse else ''}}}")
    (macro,) = spec.pieces
    assert not isinstance(macro, str)
    ordered = labels[::-1] if reverse else labels
    assert transformed(macro, ".".join(labels)) == ".".join(ordered[-parts:])
