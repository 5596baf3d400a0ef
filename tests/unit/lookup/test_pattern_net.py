"""A table whose rules stand behind nets answers as its rules do one by one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.drive import drive

from gatepost.lookup.pattern_net import pcre_fits, posix_fits
from gatepost.lookup.registry import Tables

_PIECES = {
    "regexp": r"a b . [ab] [^a] []a] (a) (b|a) (^a|b) .* ^ $ | a|b * x{2} { ) ( \. \| \( \< \` [[:alpha:]] [)(] [|] () A".split(),
    "pcre": r"""
        a b . [ab] [^a] []a] (a) (b|a) (?:a|b) (?i) (?-i) (?=a) (?<!b) .* ^ $ | a|b * x{2} { \. \| \( \A \z \Qa|b\E \Q(
        [[:alpha:]] [)(] [|] () A (a)\1 (?1) (*FAIL) (?|a|b) \K \G (?# [\]] # (?R)? (?<n>a)
    """.split(),
}


def _patterns(kind: str) -> st.SearchStrategy[list[str]]:
    pattern = st.lists(st.sampled_from(_PIECES[kind]), min_size=1, max_size=6).map("".join)
    anchored = pattern.map(lambda text: f"^{text}")
    return st.lists(st.one_of(anchored, anchored, anchored, pattern), min_size=1, max_size=12)


@pytest.mark.parametrize("kind", ["regexp", "pcre"])
@given(st.data())
def test_behind_nets_and_one_by_one(kind: str, data: st.DataObject) -> None:
    patterns = data.draw(_patterns(kind))
    keys = data.draw(st.lists(st.text(alphabet="abxA.|()]\n", max_size=8), min_size=1, max_size=6))
    tables = Tables(lambda _: None)
    # A backslash keeps the delimiter; braces would end an in-line rule.
    rules = [rf"~{text}~ {number}" for number, text in enumerate(patterns) if _balanced(text)]
    if not rules:
        return
    whole = tables.open(f"{kind}:{{{' '.join(f'{{{rule}}}' for rule in rules)}}}")
    singles = [tables.open(f"{kind}:{{{{{rule}}}}}") for rule in rules]
    for key in keys:
        first = next((answer for one in singles if (answer := drive(one.lookup(key))) is not None), None)
        assert drive(whole.lookup(key)) == first


def _balanced(text: str) -> bool:
    return text.count("{") == text.count("}") and not re.search(r"\\[1-9]", text)


PCRE = {
    True: r"^Subject:.*(a|b) ^a|^b ^[^)]\)$ ^(?=a)(?!b)(?<=c)(?<!d)(?>e) ^[[:alpha:]\]]+\s*\d",
    False: r"^(a)\1 ^\Qa) ^(?i)a ^(?#a) ^(*FAIL) ^a\K ^(?<n>a) ^(?|a) ^[\Qa]\E] ^(?1)(a) ^(a",
}
POSIX = {
    True: r"^Subject:.*(a|b) ^[^)]\)$ ^[]a[:alpha:]]+ ^a{2,3}",
    False: r"a ^a|b ^(a|b)|c ^a)b ^(a)\1 ^*a ^(*a) ^(a|*b) ^a{x ^[[.a.]] ^(a",
}


@pytest.mark.parametrize("fits", [True, False])
def test_what_fits(fits: bool) -> None:
    assert [pattern for pattern in PCRE[fits].split() if pcre_fits(pattern.encode()) is not fits] == []
    assert [pattern for pattern in POSIX[fits].split() if posix_fits(pattern.encode()) is not fits] == []


@pytest.mark.parametrize("kind", ["regexp", "pcre"])
def test_a_key_that_meets_no_rule_is_searched_once(kind: str) -> None:
    rules = " ".join(f"{{/^user{number}@/ x}}" for number in range(40))
    table = Tables(pytest.fail).open(f"{kind}:{{{rules}}}")
    searched = []

    class Counted:
        def __init__(self, test: object) -> None:
            self.test = test

        def __call__(self, subject: object) -> object:
            searched.append(subject)
            return self.test(subject)

    for rule in table._program:
        rule.test = Counted(rule.test)
    assert drive(table.lookup("nobody@example.org")) is None
    assert len(searched) == 1
    assert drive(table.lookup("user39@example.org")) == "x"
