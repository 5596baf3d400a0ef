"""Text of whole messages: Subject, paragraphs, chunks, and all parts together."""

from collections.abc import Sequence

import pytest

from gatepost.filter.port import Text
from gatepost.filter.text.paragraphs import chunks, cut, paragraphs
from gatepost.filter.text.parts import parts
from gatepost.filter.text.rendering import rendered


class Headers:
    """A HeaderView of one message."""

    def get(self, name: str) -> bytes | None:
        return b"first\nsubject  line\n" if name == "Subject" else None

    def all(self, name: str) -> Sequence[bytes]:
        return ()


def of(message: bytes, options: dict[str, tuple[str, ...]] | None = None) -> Text:
    return rendered(parts(message), Headers(), options or {})


MIXED = b"""Content-Type: multipart/mixed; boundary=b

--b

one
--b
Content-Type: application/x

two
--b
Content-Type: text/html

<p>th<font color=white>re</font>e <a href='http://www.x.test/'>y</a></p>
--b
Content-Type: text/calendar

four
--b--
"""


def test_a_whole_message() -> None:
    text = of(MIXED, {"util_rb_tld": ("test",)})
    assert text.body == (b"subject  line\n", b"one\n", b"three y\n")
    assert text.raw_body == (b"one", b"<p>th<font color=white>re</font>e <a href='http://www.x.test/'>y</a></p>")
    assert text.visible == (b"subject  line\n", b"one\n", b"the y\n")
    assert text.invisible == (b"re ",)
    assert text.html["title"] == ()
    (uri,) = text.uris
    assert (uri.raw, uri.kinds, uri.anchors, uri.hosts) == (b"http://www.x.test/", {"a"}, (b"y",), {b"www.x.test": b"x.test"})


@pytest.mark.parametrize(
    ("html", "body"),
    [
        (b"caf&eacute;", b"caf\xe9"),
        (b"caf&eacute; &euro;", "caf\xe9 \u20ac".encode()),
        (b"caf\xe9 &eacute;", "caf\xe9 \xe9".encode()),
    ],
)
def test_references_are_latin_where_that_suffices(html: bytes, body: bytes) -> None:
    assert of(b"Content-Type: text/html\n\n" + html).body[1:] == (body,)


def test_a_name_makes_html() -> None:
    text = of(b"Content-Type: application/octet-stream; name=x.HTM\n\n<b>x")
    assert (text.body[1:], text.raw_body) == ((b"x",), (b"<b>x",))


def test_limits() -> None:
    text = of(b"\n" + b"word " * 30, {"body_part_scan_size": ("18",), "rawbody_part_scan_size": ("nonsense", "7")})
    assert (text.body[1:], text.raw_body) == ((b"word word word word ",), (b"word word ",))
    assert cut(b"ab\ncd ef\n", 4) == b"ab\ncd ef\n"
    assert cut(b"abcdef", 0) == b"abcdef"
    assert cut(b"abcdef", 3) == b"abc"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([b"a\nb\n\n  c\t d\n\n\n\ne\n"], [b"a b\n", b" c d\n", b"e "]),
        ([b"a", b"", b"b", b"c"], [b"a\n", b"b c"]),
        ([b"", b"a"], [b"a"]),
        ([b"a \n \n b\r\nc\fd\0e"], [b"a \n", b" b c d\n", b"e"]),
        ([b"x" * 2049 + b"\n\nb"], [b"x" * 2048, b"x\n", b"b"]),
        ([b"word " * 409 + b"abcd ef"], [b"word " * 409, b"abcd ef"]),
    ],
)
def test_paragraphs(texts: list[bytes], found: list[bytes]) -> None:
    assert list(paragraphs(texts)) == found


def test_chunks() -> None:
    """Longer than 4096 octets, text is cut after 2048: behind a line end if there is one near, a tag, a blank, or anywhere."""
    assert [*map(len, chunks(b"x" * 4096))] == [4096]
    assert [*map(len, chunks(b"x" * 4097))] == [2049, 2048]
    assert next(map(len, chunks(b"x" * 2100 + b"> y\n" + b"z" * 4000))) == 2104
    assert next(map(len, chunks(b"x" * 2100 + b" y>z" + b"z" * 4000))) == 2103
    assert next(map(len, chunks(b"x" * 2100 + b" yyz" + b"z" * 4000))) == 2101
    assert b"".join(chunks(MIXED * 30)) == MIXED * 30
