"""Patterns over texts: what hits, and how often, is what a search of each text alone finds, whatever finds it."""

import itertools
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.match import prefilter
from gatepost.filter.match.group import Group, Search
from gatepost.filter.match.pattern import Pattern
from gatepost.filter.match.prefilter import Compiled, Prefilter
from gatepost.filter.match.search import OUT_OF_TIME, Budget, Expressions
from gatepost.filter.port import Hit
from gatepost.lookup import pcre2

NOTATIONS = (
    rb"a", rb"^a", rb"a$", rb"^a+$", rb"\bab\b", rb"a.b", rb"(?<!a)b", rb"(?!ab)\w", rb"a(?!\n?b)", rb"\Aa", rb"b\Z", rb"(a)\1",
    rb"b\z", rb"\\\A|b",
    rb"[^a]b", rb"a\s*b", rb"a\n$", rb"b*", rb"(?>a+)b", rb"a++b", rb"\Bb", rb"(?:^|\n)b", rb"[\s\S]{3}", rb"(?i)B", rb"^$",
)  # fmt: skip
OPTIONS = (0, pcre2.CASELESS, pcre2.DOTALL, pcre2.MULTILINE)
PATTERNS = [
    Pattern(f"R{index}", octets, options, octets) for index, (octets, options) in enumerate(itertools.product(NOTATIONS, OPTIONS))
]


def group(patterns: Sequence[Pattern], *, databases: bool = True) -> Group:
    made = prefilter.compiled(patterns, over_all=True) if databases else Compiled(b"", tuple(range(len(patterns))))
    return Group(patterns, Prefilter(made), Expressions(), over_all=True)


def refuse(rule: str, why: str) -> None:
    raise AssertionError(f"{rule}: {why}")


def hits(
    group: Group, texts: Sequence[bytes], budget: Budget | None = None, untold: Callable[[str, str], None] = refuse
) -> list[Hit]:
    return list(group.hits(texts, Search(budget or Budget(60), untold)))


def rules(found: Sequence[Hit]) -> set[str]:
    return {hit.rule for hit in found}


WITH_DATABASE = group(PATTERNS)
WITHOUT = group(PATTERNS, databases=False)
TEXTS = st.lists(st.text("abB \n", max_size=8).map(str.encode), max_size=4)


def alone(pattern: Pattern, text: bytes) -> bool:
    """Whether PCRE2 finds it in this text."""
    one = group([Pattern(pattern.rule, pattern.expression, pattern.options)], databases=False)
    return bool(hits(one, [text]))


def test_hyperscan_is_installed_here() -> None:
    assert prefilter.is_there()


@given(TEXTS)
def test_what_hits_is_what_is_in_one_of_the_texts(texts: list[bytes]) -> None:
    expected = {pattern.rule for pattern in PATTERNS if any(alone(pattern, text) for text in texts)}
    assert rules(hits(WITH_DATABASE, texts)) == expected
    assert rules(hits(WITHOUT, texts)) == expected


@given(TEXTS, st.integers(0, 3))
def test_hits_are_counted_as_perl_counts_them(texts: list[bytes], most: int) -> None:
    counted = group([Pattern("MANY", rb"a+|b", most=most)], databases=False)
    matches = [match for text in texts for match in re.findall(rb"a+|b", text)]
    count = min(len(matches), most) if most else len(matches)
    assert hits(counted, texts) == ([Hit("MANY", count, matches[0])] if count else [])


@given(TEXTS, st.sampled_from((rb"a", rb"(?<=a)b", rb"\bab?\b", rb"a(?=b)", rb"^a|b$", rb"ab|b")))
def test_hits_of_a_pattern_that_sees_its_neighbours_are_counted(texts: list[bytes], notation: bytes) -> None:
    counted = group([Pattern("MANY", notation, most=0)], databases=False)
    count = sum(len(re.findall(notation, text)) for text in texts)
    assert sum(hit.count for hit in hits(counted, texts)) == count


@pytest.mark.parametrize("size", [1, 2047, 2048, 2049, 9000])
def test_hits_are_counted_in_texts_of_any_size(size: int) -> None:
    counted = group([Pattern("ALL", rb"a", most=0), Pattern("SOME", rb"a", most=2500)], databases=False)
    texts = [b"b", b"a" * size, b"", b"a"]
    assert hits(counted, texts) == [Hit("ALL", size + 1, b"a"), Hit("SOME", min(size + 1, 2500), b"a")]


def test_an_empty_match_is_passed() -> None:
    assert hits(group([Pattern("EMPTY", rb"x*", most=0)]), [b"ab"]) == [Hit("EMPTY", 3, b"")]


def test_texts_that_are_passed_over_do_not_count() -> None:
    """As with tflags nosubject."""
    found = group([Pattern("BEHIND", rb"a", passed_over=1), Pattern("STRICT", rb"a(?!b)", passed_over=1)])
    assert hits(found, [b"a"]) == []
    assert hits(found, [b"a", b"b"]) == []
    assert rules(hits(found, [b"b", b"a"])) == {"BEHIND", "STRICT"}


def test_a_negated_pattern_hits_where_it_is_not() -> None:
    negated = group([Pattern("NO_A", rb"a", negated=True), *PATTERNS])
    assert "NO_A" in rules(hits(negated, [b"b"]))
    assert "NO_A" not in rules(hits(negated, [b"b", b"a"]))


def test_a_header_that_is_not_there_is_what_the_rule_says() -> None:
    unset = group([Pattern("EMPTY", rb"^$"), Pattern("UNSET", rb"^UNSET$", unset=b"UNSET"), Pattern("NOT", rb"x", negated=True)])
    assert rules(unset.hits_unset(Search(Budget(60), refuse))) == {"EMPTY", "UNSET", "NOT"}


def test_skipped_patterns_do_not_hit() -> None:
    found = [Pattern("YES", rb"a"), Pattern("NO", rb"a")]
    both = Group(found, Prefilter(Compiled(b"", (0, 1))), Expressions(), over_all=True, skipped=frozenset((1,)))
    assert rules(hits(both, [b"a"])) == {"YES"}


@pytest.mark.parametrize("notation", [rb"(a+)+$", rb"(a|a)*$", rb"(.*)(.*)(.*)(.*)(.*)[^ab]$"])
def test_what_takes_too_long_is_given_up_and_named(notation: bytes) -> None:
    """The clock goes on by a second whenever somebody looks at it."""
    looks = itertools.count()
    untold: list[tuple[str, str]] = []
    slow = group([Pattern("SLOW", notation), Pattern("NEXT", rb"a")], databases=False)
    text = b"a" * 30000 + b"b"
    found = hits(slow, [text], Budget(20, lambda: float(next(looks))), lambda *told: untold.append(told))
    assert untold
    assert untold[0][0] == "SLOW"
    assert next(looks) < 100
    assert found == [] or untold[0][1] != OUT_OF_TIME


def test_a_database_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="another Hyperscan"):
        Prefilter(Compiled(b"no database", ()))


def test_without_hyperscan_all_patterns_are_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefilter, "_library", lambda: None)
    assert not prefilter.is_there()
    assert prefilter.compiled(PATTERNS, over_all=True) == Compiled(b"", tuple(range(len(PATTERNS))))
    with pytest.raises(ValueError, match="not installed"):
        Prefilter(Compiled(b"something", ()))
