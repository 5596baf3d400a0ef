"""Paths, words and xtext: what Postfix 3.7.11 takes and how it reads it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatepost.mail.address import external, is_octets
from gatepost.mail.ascii_text import spaced_words
from gatepost.proto.smtp import grammar

PATHS = [
    ("<joe@client.test>", "joe@client.test", "joe@client.test"),
    ("joe@client.test", "joe@client.test", None),
    ("<joe>", "joe", "joe"),
    ("<>", "", ""),
    ('<"joe"@client.test>', "joe@client.test", "joe@client.test"),
    ('"joe"@client.test', "joe@client.test", None),
    ('<"al ice"@client.test>', "al ice@client.test", "al ice@client.test"),
    ("<al ice@client.test>", None, None),
    ('<"al\\"ice"@client.test>', 'al"ice@client.test', 'al"ice@client.test'),
    ("<al\\ice@client.test>", "alice@client.test", "alice@client.test"),
    ('<"joe@other"@client.test>', "joe@other@client.test", "joe@other@client.test"),
    ("<@a.test:joe@client.test>", "joe@client.test", "joe@client.test"),
    ("<@a.test,@b.test:joe@client.test>", "joe@client.test", "joe@client.test"),
    ("<joe@remote.test@client.test>", "joe@remote.test@client.test", "joe@remote.test@client.test"),
    ("<joe@[127.0.0.1]>", "joe@[127.0.0.1]", "joe@[127.0.0.1]"),
    ("<joe@[IPv6:::1]>", "joe@[IPv6:::1]", "joe@[IPv6:::1]"),
    ("<alice@[127.0.0.1>", "alice@[127.0.0.1]", "alice@[127.0.0.1]"),
    ("<joe@exa mple.test>", None, None),
    ("<<joe@client.test>>", "joe@client.test", "joe@client.test"),
    ("<joe@client.test", None, None),
    ("joe@client.test>", "joe@client.test", None),
    ("<joe@client.test>junk", None, None),
    ("<joe@client.test>,<bob@client.test>", None, None),
    ("(comment)<joe@client.test>", "joe@client.test", None),
    ("<alice(comment)@example.test>", "alice@example.test", None),
    ("<alice;bob@example.test>", None, None),
    ("<alice,bob@example.test>", None, None),
    ("<alice:bob@example.test>", "alice:bob@example.test", "alice:bob@example.test"),
    ("< joe @client.test >", "joe@client.test", "joe@client.test"),
    ('<"">', "", ""),
    ("<@client.test>", "@client.test", None),
    ("<user@client.test@>", "user@client.test@", "user@client.test@"),
    ("<jösé@client.test>", "jösé@client.test", "jösé@client.test"),
    # What is white space to Python only is a character like any other.
    ("<a\xa0@c.test>", "a\xa0@c.test", "a\xa0@c.test"),
    ("<\x85a@c.test>", "\x85a@c.test", "\x85a@c.test"),
    ("<a\u2003b@c.test>", "a\u2003b@c.test", "a\u2003b@c.test"),
    ("<a@c.test>\xa0", None, None),
    ('<"a\x0bb"@c.test>', "a\x0bb@c.test", "a\x0bb@c.test"),
    ("<a\x1c@c.test>", "a\x1c@c.test", "a\x1c@c.test"),
    # Source routes and phrases.
    ("<@a,@b:c@d.test>", "c@d.test", "c@d.test"),
    ("<@a, @b:c@d.test>", "c@d.test", "c@d.test"),
    ("<@a@b:c@d.test>", "c@d.test", "c@d.test"),
    ("<@a:@b:c@d.test>", "@b:c@d.test", None),
    ("<@a,@b>", None, None),
    ("<a b@c.test>", None, None),
    ("<a\tb@c.test>", None, None),
    ('<"a"b@c.test>', None, None),
    ('<"a"."b"@c.test>', "a.b@c.test", "a.b@c.test"),
]


@pytest.mark.parametrize(("word", "loose", "strict"), PATHS)
def test_paths(word: str, loose: str | None, strict: str | None) -> None:
    assert grammar.path(word) == loose
    assert grammar.path(word, strict=True) == strict


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1))
def test_what_we_write_we_read(local: str) -> None:
    assert grammar.path(f"<{external(local + '@x.test')}>") == local + "@x.test"


_SPECIALS = st.text(st.sampled_from('<>@,;:.()"[]\\ a'), max_size=12)


@given(st.text(max_size=40) | _SPECIALS)
@example("><")
@example("><a@b.test")
def test_no_argument_breaks_it(text: str) -> None:
    words = grammar.words(text)
    assert "".join(words) == "".join(spaced_words(text)) or any(c in text for c in '<["\\')
    for word in words:
        grammar.path(word)
        for decoded in (grammar.xtext(word), grammar.original_recipient(word)):
            assert decoded is None or is_octets(decoded)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM:<a@b.test>", ["FROM:", "<a@b.test>"]),
        ("FROM: <a@b.test> SIZE=10", ["FROM:", "<a@b.test>", "SIZE=10"]),
        ("FROM:<a@b.test>SIZE=10", ["FROM:", "<a@b.test>SIZE=10"]),
        ("FROM:<a@b.test>\tSIZE=10", ["FROM:", "<a@b.test>", "SIZE=10"]),
        ("FROM:<a@b.test> AUTH=<c d>", ["FROM:", "<a@b.test>", "AUTH=<c d>"]),
        ("FROM:Alice <a@b.test>", ["FROM:", "Alice", "<a@b.test>"]),
        ('TO:<"a b"@c.test> X', ["TO:", '<"a b"@c.test>', "X"]),
        ("[IPv6:::1] x", ["[IPv6:::1]", "x"]),
        ("FROM:", ["FROM:"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert grammar.words(text, colon=True) == words


def test_a_colon_parts_words_where_that_is_asked_for_and_once() -> None:
    assert grammar.words("a:b:c d:e") == ["a:b:c", "d:e"]
    assert grammar.words("TO:b:c d:e", colon=True) == ["TO:", "b:c", "d:e"]


def test_deep_nesting_is_cheap() -> None:
    for deep in ("<" * 2000, "(" * 2000, '"' * 2001, "[" * 2000, "\\" * 2001, "<(" * 1000, ")" * 2000):
        for word in grammar.words("FROM:" + deep):
            grammar.path(word)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("abc", "abc"),
        ("a+2Bb", "a+b"),
        ("a+b", None),
        ("a=b", "a=b"),
        ("", ""),
        ("caf+C3+A9", "café"),
        ("a+2bb", "a+b"),
        ("a+2", None),
    ],
)
def test_xtext(text: str, value: str | None) -> None:
    assert grammar.xtext(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rfc822;alice@example.test", "rfc822;alice@example.test"),
        ("rfc822;al+2Bx@example.test", "rfc822;al+x@example.test"),
        ("rfc822;", "rfc822;"),
        ("alice@example.test", None),
        ("", None),
        ("rfc822;a+zz@example.test", None),
        ("utf-8;al\\x{E9}@example.test", "utf-8;alé@example.test"),
        ("UTF-8;al\\x{e9}", "UTF-8;alé"),
        ("utf-8;\\x{1F600}\\x{0001F600}", "utf-8;😀😀"),
        ("utf-8;\\x{2B}\\x{5C}\\x{41}", "utf-8;+\\A"),
        ("utf-8;a+b=\\c\udce9é", "utf-8;a+b=\\c\udce9é"),
        # What stands for no character, and what would end a line or a text.
        *(
            (f"utf-8;\\x{{{point}}}", None)
            for point in ("", "0", "0A", "7F", "G", "0" * 9)
            for point in ("D800", "DFFF", "DC0A", "DCE9", "110000")
        ),
        ("utf-8;\\x{E9", None),
        ("é;a", None),
        ("\udce9;a", None),
        ("rfc 822;a", None),
        ("rfc822;+ED+A0+80", "rfc822;\udced\udca0\udc80"),
    ],
)
def test_original_recipient(text: str, value: str | None) -> None:
    assert grammar.original_recipient(text) == value
