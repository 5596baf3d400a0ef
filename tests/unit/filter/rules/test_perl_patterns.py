"""Patterns of Perl as PCRE2 runs them. That both find the same is tested beside the real thing, in tests/integration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.perl import LARGE, translated
from gatepost.filter.rules.templates import filled
from gatepost.lookup.matching import Subject
from gatepost.lookup.pcre2 import Expression


def finds(literal: str, subject: bytes) -> bool:
    pattern = translated(literal)
    return Expression(pattern.octets, pattern.options, captures=False).search(Subject(subject)) is not None


@pytest.mark.parametrize(
    ("literal", "subject", "found"),
    [
        ("/foo/i", b"xFOOx", True),
        ("m{a\\{1\\}b}x", b"a{1}b", True),
        ("m!a\\!b!", b"a!b", True),
        ("m'a$'", b"a\n", True),
        ("/a@b.com/", b"a@b.com", True),
        ("/a{,3}b/", b"aaab", True),
        ("/^a{ 1, 3 }$/", b"aa", True),
        ("/a{/", b"a{", True),
        ("/\xe9/i", b"\xc9", True),
        ("/\\xe9/i", b"\xc9", True),
        ("/\\xe9/", b"\xc9", False),
        ("/(?i:\\xe9)x/", b"\xc9x", True),
        ("/(?i)a(?-i)\\xe9/", b"A\xc9", False),
        ("/[\\xe0-\\xea]/i", b"\xc9", True),
        ("/^[^\\xe9]$/i", b"\xc9", False),
        ("/\\xd7/i", b"\xf7", False),
        ("/\\w/", b"\xaa", False),
        ("/\\p{L}/", b"\xe9", True),
        ("/a|\\x{100}/", b"a", True),
        ("/a\\x{100}/", b"a", False),
        ("/^[\\x{80}-\\x{200}]$/", b"\xff", True),
        ("/\\N{U+41}/", b"A", True),
        ("/\\o{101}\\101/", b"AA", True),
        ("/\\cA[\\cA]/", b"\x01\x01", True),
        ("/(?#a comment)b/", b"b", True),
        ("/ a b # c/x", b"ab", True),
        ("/[ a b ]c/xx", b" c", False),
        ("/(?a:\\w)(?p)b/", b"ab", True),
        ("/^(?<name>a)\\k<name>$/", b"aa", True),
        ("/^a++b*+$/", b"aab", True),
        ("/[]a]+[^]a]/", b"]ab", True),
        ("/a\\b?b/", b"ab", True),
        ("/^?a$*\\n/", b"ba\n", True),
        ("/^\\p{Lu}[\\p{Ll}]$/i", b"aA", True),
        ("/(?<n>a)|(?<n>b)/", b"b", True),
    ],
)
def test_what_a_pattern_finds(literal: str, subject: bytes, found: bool) -> None:
    assert finds(literal, subject) is found


@pytest.mark.parametrize(
    "literal",
    [
        *("a", "qr/a/", "/a", "/a/b/", "/a/e", "/a/g", "/a/u", "/(?^:a)/", "m", "ma/a"),
        *("/(?{ system('id') })/", "/(??{ 1 })/", "/(*{ 1 })/", "/(?[ a ])/", "/(?u:a)/"),
        *("/\\Qa\\E/", "/\\y/", "/\\b{wb}/", "/\\x/", "/\\xg/", "/\\C/", "/\\N{SPACE}/", "/a\\"),
        *("/[a-\\d]/", "/[\\w-x]/", "/[z-a]/", "/[a/", "/[\\R]/", "/[\\8]/", "/[[=a=]]/"),
        *("/(a/", "/a)/", "/a{2}{3}/", "/(*LIMIT_MATCH=1)a/", "/(*UTF)a/", "/(?z)a/", "/(?#a/"),
        "/" + "(" * 300 + ")" * 300 + "/",
        "/" + "a" * 300_000 + "/",
    ],
)
def test_what_cannot_be_taken_over_is_refused(literal: str) -> None:
    with pytest.raises(Untranslatable):
        translated(literal)


def test_large_groups_are_written_once() -> None:
    """PCRE2 compiles no more than 64 KB, and `replace_rules` writes groups of 500 octets for each letter."""
    letter = "(?:" + "|".join(f"[\\xc3][\\x{code:02x}]" for code in range(0x80, 0xBF)) + "|a)"
    literal = "/^(b)" + letter * 200 + "\\1$/i"
    pattern = translated(literal)
    assert len(literal) > LARGE > 5 * len(pattern.octets)
    assert finds(literal, b"B" + b"A" * 200 + b"b")
    assert not finds(literal, b"B" + b"A" * 199 + b"b")
    often = f"/^(?:x|{letter}){{150}}$/"
    assert finds(often, b"a" * 150)
    assert not finds(often, b"a" * 149)


@pytest.mark.parametrize(
    ("literal", "prefilter"),
    [
        ("/a++(?>b)c/", b"a+(?:b)c"),
        ("/a(?!b(?>c))d/", b"ad"),
        ("/^a|b^c/m", b"^a|bc"),
        ("/a b/x", b"(?x)a b"),
        ("/a\\Kb/", b"ab"),
        ("/\\X/", b""),
        ("/(?1)(a)/", b""),
        ("/a%{TAG}/", b""),
    ],
)
def test_the_prefilter_finds_at_least_as_much(literal: str, prefilter: bytes) -> None:
    assert translated(literal).prefilter == prefilter


def test_tags_are_filled_in_as_they_stand() -> None:
    capturing = translated("/(x)(?<SOME_TAG>.+)/")
    assert (capturing.captures, capturing.numbers) == (("SOME_TAG",), (2,))
    pattern = translated("/^\\%{NO}b%{SOME_TAG}$/i")
    assert pattern.tags == ("SOME_TAG",)
    assert filled(pattern, {}) is None
    ready = filled(pattern, {"SOME_TAG": [b".*", b"a|b"]})
    assert ready
    expression = Expression(ready.octets, ready.options, captures=False)
    assert expression.search(Subject(b"%{NO}bA|B")) is not None
    assert expression.search(Subject(b"%{NO}bxx")) is None
    assert filled(translated("/" + "%{SOME_TAG}" * 1_000 + "/"), {"SOME_TAG": [b"a" * 1_000]}) is None


@given(st.text(alphabet="ab(?:|)[]{}^-\\*+$.1,<>=!iPx'&R#\xe9%N ", max_size=40))
def test_any_pattern_is_refused_or_compiles_or_is_told_by_pcre2(body: str) -> None:
    try:
        pattern = translated(f"m\x01{body}\x01i")
    except Untranslatable:
        return
    try:
        Expression(pattern.octets, pattern.options, captures=False)
    except ValueError as reason:
        assert "error in regex" in str(reason)
