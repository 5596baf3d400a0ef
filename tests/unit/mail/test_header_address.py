"""Address headers, against what Postfix 3.7 made of the same text."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.header_address import addresses, external, fold, internal, parse, requoted, scan

DATA = Path(os.environ.get("GATEPOST_DATA", Path(__file__).parents[4] / "shared" / "data"))
LIMIT = DATA / "vectors" / "postfix-vectors" / "global" / "tok822_limit.ref"


@pytest.mark.parametrize(
    ("text", "found", "written"),
    [
        ("a (c1) b (c2) <d> (c3)", ["d"], "a (c1) b (c2) <d>(c3)"),
        ("a b c", ["a", "b", "c"], "a, b, c"),
        ("a,b, c,,d", ["a", "b", "c", "d"], "a, b, c, , d"),
        ("group name: a, b (x), c;, d", ["a", "b", "c", "d"], "group name: a, b (x), c;, d"),
        ("group: a, b", ["group:a", "b"], '"group:a", b'),
        ("undisclosed-recipients:;", [], "undisclosed-recipients: ;"),
        ('"a\\"b" <c>, John Q. Public <j>', ["c", "j"], '"a\\"b" <c>, John Q.Public <j>'),
        ('"joe user"@foo, joe\\ x@foo', ["joe user@foo", "joe x@foo"], '"joe user"@foo, "joe x"@foo'),
        ("<joe", ["<joe"], '"<joe"'),
        ("joe>", ["joe"], "joe>"),
        ("Foo <a (x)@b> (y)", ["a@b"], "Foo <a@b (x)>(y)"),
        ("q, joe (c)>", ["q, joe"], '"q, joe" (c)>'),
        ("host a\\", ["host", "a"], "host, a"),
        ("a (unterminated", ["a"], "a (unterminated"),
        ('"unterminated', ["unterminated"], "unterminated"),
        ("Foo Bar <a> b <c>", ["a", "c"], "Foo Bar <a>b <c>"),
        ("a;b;c", ["a", "b", "c"], "a;, b;, c"),
        ("a@b(x)c", ["a@b", "c"], "a@b, c (x)"),
        ("(comment) eve", ["eve"], "eve (comment)"),
        ("<a>, (only comment)", ["a"], "<a>, (only comment)"),
        ("Joe <>", [], "Joe <>"),
        ("x@[1.2.3.4] (foo, bar)", ["x@[1.2.3.4]"], "x@[1.2.3.4] (foo, bar)"),
    ],
)
def test_parse(text: str, found: list[str], written: str) -> None:
    tokens = parse(text)
    assert [internal(token.parts) for token in addresses(tokens)] == found
    assert external(tokens) == written


def test_folds_before_column_seventy() -> None:
    text = "alice@mail.example.test, Bob <bob@mail.example.test>, carol@host.example.test"
    assert fold("To", parse(text)) == "To: alice@mail.example.test, Bob <bob@mail.example.test>,\n\tcarol@host.example.test"


@pytest.mark.skipif(not LIMIT.exists(), reason="needs GATEPOST_DATA with Postfix's vectors")
def test_token_limit_of_postfix() -> None:
    text = LIMIT.read_text().split("<<<")[0].removeprefix(">>>")
    written = LIMIT.read_text().split("no newlines inserted:\n")[1].split("\n")[0]
    assert external(parse(text, 20)) == written


@given(st.text('ab.@<>(),:;"\\[] \t!%|é\x00\x7f', max_size=40))
def test_any_text_has_tokens(text: str) -> None:
    flat = scan(text)
    assert len(flat) <= len(text)
    assert sum(len(token.parts) for token in addresses(parse(text))) <= len(flat)


@given(st.text('ab.@<>(),:;"\\[] !%é', max_size=20).map(lambda local: f"{local}@example.test"))
def test_quoting_comes_undone(address: str) -> None:
    assert internal(scan(requoted(address))) == address


def test_a_source_route_is_not_quoted() -> None:
    assert requoted("@a.test,@b.test:x y@c.test") == '@a.test,@b.test:"x y"@c.test'
    assert requoted("@a.test:") == '@a.test:""'
    assert requoted("@a <x@b.test>:y@c.test") == '"@a <x@b.test>:y"@c.test'
