"""Queries of databases, taken apart: literals in quotes become values, and no key can become a part of the text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup.key_format import BadFormat, divided
from gatepost.lookup.sql_query import DIALECTS, parse

ANNA = divided("anna@mail.example.com")


def made(kind: str, query: str, key: str = "anna@mail.example.com") -> tuple[str, tuple[str, ...] | None]:
    """The text of the query, and its values."""
    statement = parse(query, DIALECTS[kind])
    return statement.sql(lambda number: f"<{number}>"), statement.expand(divided(key))


EVERYWHERE = [
    ("SELECT a FROM t WHERE b = '%s'", "SELECT a FROM t WHERE b = <1>", ("anna@mail.example.com",)),
    ("SELECT a FROM t WHERE b = '%u@%d'", "SELECT a FROM t WHERE b = <1>", ("anna@mail.example.com",)),
    ("SELECT a FROM t WHERE b='%u' AND c='%d'", "SELECT a FROM t WHERE b=<1> AND c=<2>", ("anna", "mail.example.com")),
    ("SELECT a FROM t WHERE b = '@%3.%2.%1'", "SELECT a FROM t WHERE b = <1>", ("@mail.example.com",)),
    ("SELECT a FROM t WHERE b = '%S' OR c = '%U%D'", "SELECT a FROM t WHERE b = <1> OR c = <2>",
     ("anna@mail.example.com", "annamail.example.com")),
    ("SELECT a FROM t WHERE '%s' LIKE b", "SELECT a FROM t WHERE <1> LIKE b", ("anna@mail.example.com",)),
    ("SELECT a FROM t WHERE b LIKE '%%,%s,%%'", "SELECT a FROM t WHERE b LIKE <1>", ("%,anna@mail.example.com,%",)),
    ("SELECT 'x%%y', a %% 2 FROM t", "SELECT 'x%y', a % 2 FROM t", ()),
    ("SELECT 'it''s %u'", "SELECT <1>", ("it's anna",)),
    ("SELECT lookup('%s');", "SELECT lookup(<1>);", ("anna@mail.example.com",)),
    ("SELECT CONCAT('%u', '@', '%d', 'O''K')", "SELECT CONCAT(<1>, '@', <2>, 'O''K')", ("anna", "mail.example.com")),
    ("SELECT 1 -- it's\n, '%s' /* and it's */, '%u'", "SELECT 1 -- it's\n, <1> /* and it's */, <2>",
     ("anna@mail.example.com", "anna")),
    ("", "", ()),
]  # fmt: skip


@pytest.mark.parametrize("kind", DIALECTS)
@pytest.mark.parametrize(("query", "text", "values"), EVERYWHERE)
def test_literals_become_values(kind: str, query: str, text: str, values: tuple[str, ...]) -> None:
    assert made(kind, query) == (text, values)


@pytest.mark.parametrize(
    ("kind", "query", "text", "values"),
    [
        ("mysql", 'SELECT a FROM t WHERE b = "%s"', "SELECT a FROM t WHERE b = <1>", ("anna@mail.example.com",)),
        ("mysql", 'SELECT "it""s %u", `a\'b` # it\'s', "SELECT <1>, `a'b` # it's", ('it"s anna',)),
        ("mysql", r"SELECT 'it\'s \%%\n\x%u', 'a\'', '%d'", "SELECT <1>, <2>, <3>", ("it's \\%\nxanna", "a'", "mail.example.com")),
        ("mysql", "SELECT N'%u'", "SELECT <1>", ("anna",)),
        ("sqlite", 'SELECT a FROM t WHERE b = "%s"', "SELECT a FROM t WHERE b = <1>", ("anna@mail.example.com",)),
        ("sqlite", "SELECT [a'b], '%u', `a'b`", "SELECT [a'b], <1>, `a'b`", ("anna",)),
        ("pgsql", "SELECT \"a'b\", '%u', $$it's$$, $x$it's$x$", "SELECT \"a'b\", <1>, $$it's$$, $x$it's$x$", ("anna",)),
        (
            "mysql",
            "SELECT 1 FROM t WHERE a LIKE'%s' AND`b`IN('%u')",
            "SELECT 1 FROM t WHERE a LIKE <1> AND`b`IN(<2>)",
            ("anna@mail.example.com", "anna"),
        ),
        ("mysql", "SELECT '%u' /*! , '%d' */", "SELECT <1> /*! , <2> */", ("anna", "mail.example.com")),
        (
            "pgsql",
            r"SELECT E'it\'s' FROM t WHERE a LIKE'%s'",
            r"SELECT E'it\'s' FROM t WHERE a LIKE <1>",
            ("anna@mail.example.com",),
        ),
        ("sqlite", "SELECT'%u'", "SELECT <1>", ("anna",)),
        ("pgsql", r"SELECT 'a\', '%u'", r"SELECT 'a\', <1>", ("anna",)),
        ("pgsql", "SELECT E'x', N'%u', '%u'::text", "SELECT E'x', <1>, <2>::text", ("anna", "anna")),
    ],
)
def test_dialects(kind: str, query: str, text: str, values: tuple[str, ...]) -> None:
    assert made(kind, query) == (text, values)


@pytest.mark.parametrize(
    ("kind", "query", "why"),
    [
        *((kind, "SELECT a FROM t WHERE b = %s", "%s outside of quotes") for kind in DIALECTS),
        *((kind, "SELECT a FROM t WHERE b = '%s' AND id = %u", "%u outside of quotes") for kind in DIALECTS),
        *((kind, "SELECT a FROM %d", "%d outside of quotes") for kind in DIALECTS),
        *((kind, "SELECT a FROM t -- '%s'", "%s outside of quotes") for kind in DIALECTS),
        *((kind, "SELECT a /* '%s' */ FROM t", "%s outside of quotes") for kind in DIALECTS),
        *((kind, "SELECT '%s", "%s outside of quotes") for kind in DIALECTS),
        *((kind, "SELECT X'%s'", "of this kind") for kind in DIALECTS),
        *((kind, "SELECT '%x'", "% is followed by") for kind in DIALECTS),
        *((kind, "SELECT a %", "% is followed by") for kind in DIALECTS),
        *((kind, "SELECT `%s`", "%s outside of quotes") for kind in DIALECTS),
        ("pgsql", 'SELECT a FROM t WHERE b = "%s"', "%s outside of quotes"),
        ("pgsql", "SELECT $$%s$$", "%s outside of quotes"),
        ("pgsql", "SELECT E'%s'", "of this kind"),
        ("pgsql", "SELECT U&'%s'", "of this kind"),
        ("mysql", "SELECT _latin1'%s'", "of this kind"),
        ("mysql", "SELECT _latin1 '%s'", "of this kind"),
        ("mysql", r"SELECT _latin1'it\'s'", "of this kind"),
        ("mysql", "SELECT 1--'\n AND '%s'", "%s outside of quotes"),
        ("mysql", "SELECT /*! ' */ '%s'", "%s outside of quotes"),
        ("mysql", "SELECT ` '%s'", "` without its end"),
        *((kind, "SELECT \" , '%s'", '" without its end') for kind in DIALECTS),
        *((kind, "SELECT '%s' /* ", "/\\* without its end") for kind in DIALECTS),
        *((kind, "SELECT '%s', '", "' without its end") for kind in DIALECTS),
    ],
)  # fmt: skip
def test_what_cannot_be_quoted_is_refused(kind: str, query: str, why: str) -> None:
    with pytest.raises(BadFormat, match=why):
        parse(query, DIALECTS[kind])


@pytest.mark.parametrize(("key", "query"), [("anna", "'%d'"), ("@example.com", "'%u'"), ("anna@com", "'%2'"), ("anna", "'%1'")])
def test_a_part_that_is_missing_suppresses_the_query(key: str, query: str) -> None:
    assert made("pgsql", f"SELECT a FROM t WHERE b = {query}", key)[1] is None


@given(st.text("'\"`\\%sud1-/*#$ ENx\n", max_size=30), st.text("'\"\\%s;-@.a\0\n", max_size=20))
def test_no_key_is_ever_a_part_of_the_text(query: str, key: str) -> None:
    for dialect in DIALECTS.values():
        try:
            statement = parse(query, dialect)
        except BadFormat:
            continue
        assert statement.sql(lambda number: "").split() == "".join(statement.texts).split()
        values = statement.expand(divided(key))
        assert values is None or len(values) == len(statement.texts) - 1


def _literals(sql: str, *, backslash: bool) -> list[str]:
    """The literals, names in quotes and comments of SQL, as MySQL reads it."""
    escaped = r"|\\." if backslash else ""
    plain = r"^\\" if backslash else "^"
    literals = "|".join(f"{quote}(?:[{plain}{quote}]{escaped}|{quote}{quote})*{quote}" for quote in "'\"")
    return re.findall(rf"{literals}|`[^`]*`|--(?!\S)[^\n]*|#[^\n]*|/\*(?!M?!).*?\*/", sql, flags=re.DOTALL)


_PIECES = (
    "'%s'", '"%s"', r"'\''", r"'\\'", r'"\""', r"'\'", "'", '"', "`", "-- ", "--", "/*", "*/", "/*!", "#", "\n", " OR ", "_x", "''",
)  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=6))
def test_a_value_of_mysql_is_a_literal_whatever_the_server_takes_a_backslash_for(pieces: list[str]) -> None:
    try:
        statement = parse("".join(pieces), DIALECTS["mysql"])
    except BadFormat:
        return
    sql = statement.sql(lambda number: "'VALUE'")
    for backslash in (True, False):
        assert _literals(sql, backslash=backslash).count("'VALUE'") == len(statement.values)
