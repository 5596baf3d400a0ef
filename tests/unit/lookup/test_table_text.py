"""Key-and-value text: files, in-line tables, alias files."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup import braces, inline
from gatepost.lookup.aliases_text import alias_entries, looks_like_aliases
from gatepost.lookup.port import Unavailable
from gatepost.lookup.table_text import entries, logical_lines, read_file


def parse(text: str) -> tuple[list[tuple[int, str, str]], list[str]]:
    warnings: list[str] = []
    return list(entries("t", text, warnings.append)), warnings


def test_logical_lines() -> None:
    text = "# comment\none\n\n  more\n # comment\n\tand more\nlast"
    assert list(logical_lines(text)) == [(2, "one  more\tand more"), (7, "last")]


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("key2\tvalue\ttwo", "key2", "value\ttwo"),
        ("key3   \n  continued value", "key3", "continued value"),
        ('"quoted key" qv', '"quoted key"', "qv"),
        (r'"e\"h\\" i', r'"e\"h\\"', "i"),
        ("back\\ slash x", "back\\ slash", "x"),
        ("f   # not a comment", "f", "# not a comment"),
    ],
)
def test_entry(line: str, key: str, value: str) -> None:
    assert parse(line) == ([(1, key, value)], [])


def test_mistakes_are_named() -> None:
    found, warnings = parse('empty\n"unterminated x\na: 1\n')
    assert found == [(3, "a:", "1")]
    assert warnings == [
        "t, line 1: expected format: key whitespace value",
        "t, line 2: unbalanced '\"' in '\"unterminated x' -- ignoring this line",
        't, line 3: record is in "key: value" format; is this an alias file?',
    ]


def test_aliases() -> None:
    text = (
        '# comment\npostmaster: root\nlist: alice,\n  bob,"carol"\nPipe: "|/bin/cmd arg"\ninc: :include:/x/y\nnocolon value\n'
        'quoted key: x\n"quoted:key": y\nempty:\nspace : z\nuser@dom.test: w\ngroup: foo: a, b;\n'
    )
    warnings: list[str] = []
    assert [(key, value) for _, key, value in alias_entries("al", text, warnings.append)] == [
        ("postmaster", "root"),
        ("list", 'alice, bob, "carol"'),
        ("Pipe", '"|/bin/cmd arg"'),
        ("inc", ":include:/x/y"),
        ("quoted key", "x"),
        ("quoted:key", "y"),
        ("space", "z"),
        ("group", "foo:a, b;"),
    ]
    assert warnings == [
        "al, line 7: need name:value pair",
        "al, line 10: need name:value pair",
        "al, line 12: name must be local",
    ]


def test_which_file_is_for_aliases() -> None:
    assert looks_like_aliases("postmaster: root\nwww:\troot, joe\n")
    assert not looks_like_aliases("example.test smtp:[host]:25\n")
    assert not looks_like_aliases("")


def test_braces() -> None:
    assert braces.split_list("a, {b, c} d:{e f},g{") == ["a", "{b, c}", "d:{e f}", "g{"]
    assert braces.unbrace("{ a {b} }") == "a {b}"
    with pytest.raises(braces.BraceError, match="syntax error after"):
        braces.unbrace("{a} b")


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("{a=1, b=2}", [("a", "1"), ("b", "2")]),
        ("{{a = one two}, {b = x, y}}", [("a", "one two"), ("b", "x, y")]),
        ("{a=1 a=2}", [("a", "1"), ("a", "2")]),
    ],
)
def test_inline(name: str, pairs: list[tuple[str, str]]) -> None:
    assert inline.parse(name) == pairs


@pytest.mark.parametrize(
    ("name", "why"), [("{a}", "missing '=' after"), ("a=1", "bad syntax"), ("{}", "bad syntax"), ("{ }", "empty")]
)
def test_bad_inline(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        inline.parse(name)


WORD = st.text(st.characters(blacklist_categories=("Cs", "Z", "Cc"), blacklist_characters='#",{}=\\:'), min_size=1, max_size=10)


@given(st.dictionaries(WORD, WORD, min_size=1))
def test_what_is_written_is_read(table: dict[str, str]) -> None:
    text = "".join(f"{key}\t{value}\n" for key, value in table.items())
    assert [(key, value) for _, key, value in parse(text)[0]] == list(table.items())
    name = "{" + ", ".join(f"{{{key} = {value}}}" for key, value in table.items()) + "}"
    assert inline.parse(name) == list(table.items())


@given(st.text(alphabet='ab"\\#: \t\n(),;<>@', max_size=60))
def test_any_text_parses(text: str) -> None:
    for _, key, value in parse(text)[0]:
        assert key
        assert value
    for _, _, value in alias_entries("al", text, lambda _: None):
        assert value


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    """Nobody may write to it for ever, and everybody would wait."""
    os.mkfifo(tmp_path / "table")
    with pytest.raises(Unavailable, match="not a regular file"):
        read_file(str(tmp_path / "table"), "pcre:table")
