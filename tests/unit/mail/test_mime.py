"""The MIME walk: the same for any cut of the octets, nothing lost, and what Postfix finds of boundaries and types.

How it compares with Postfix message by message: tests/integration/test_mime_checks.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatepost.mail.content_type import ContentType, content_type, transfer_encoding
from gatepost.mail.mime import BodyFound, DelimiterFound, Entity, Found, HeaderFound, HeadersEnd, Limits, Place, Walk

PIECES = [
    b"Content-Type: multipart/mixed; boundary=b1\r\n",
    b'Content-Type: multipart/digest; boundary="b2"; boundary=b3\r\n',
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n",
    b"Subject : x\r\n",
    b" folded\r\n",
    b"\r\n",
    b"--b1\r\n",
    b"--b1--\r\n",
    b"--b2\r\n",
    b"--b3--\r\n",
    b"text\r\n",
    b"--",
    b"-",
    b"--b1",
    b"x" * 300 + b"\r\n",
    b"y" * 2100,
    b":",
]


def walked(message: bytes, cuts: list[int], limits: Limits) -> list[Found]:
    """All that is found, neighbouring pieces of a body put together."""
    walk = Walk(limits)
    found: list[Found] = []
    for start, stop in zip([0, *cuts], [*cuts, len(message)], strict=True):
        found += walk.feed(message[start:stop])
    joined: list[Found] = []
    for one in [*found, *walk.finish()]:
        last = joined[-1] if joined else None
        if isinstance(one, BodyFound) and isinstance(last, BodyFound) and last.entity is one.entity and one.offset:
            joined[-1] = replace(last, text=last.text + one.text)
        else:
            joined.append(one)
    return joined


@given(st.lists(st.sampled_from(PIECES), max_size=14), st.lists(st.integers(0, 4000), max_size=8))
def test_any_cut_gives_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    message, limits = b"".join(pieces), Limits(200, 10, 3)
    whole = walked(message, [], limits)
    assert walked(message, sorted(min(cut, len(message)) for cut in cuts), limits) == whole
    if len(message) < 400:
        assert walked(message, list(range(1, len(message))), limits) == whole


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_nothing_is_lost(pieces: list[bytes]) -> None:
    message = b"".join(pieces)
    out = []
    for found in walked(message, [], Limits()):
        if isinstance(found, HeaderFound):
            out.append(found.text.replace(b"\n", b"\r\n") + b"\r\n")
        elif isinstance(found, BodyFound):
            out.append(found.text)
    plain = [text.replace(b"Subject :", b"Subject:").removesuffix(b"\r\n") for text in (b"".join(out), message)]
    assert plain[0] == plain[1]


def test_places_and_what_headers_say() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nin\r\n--b--\r\nepilogue\r\n"
    )
    nothing, inner = Entity(), Entity("text", "plain", "base64", "7bit")
    assert walked(message, [], Limits()) == [
        HeaderFound(Place.PRIMARY, "content-type", b"Content-Type: multipart/mixed; boundary=b"),
        HeadersEnd(Place.PRIMARY, Entity("multipart", "mixed")),
        BodyFound(b"\r\npre\r\n", 0, nothing),
        DelimiterFound(b"--b\r\n", 5, Entity("text", "plain"), 0, closing=False),
        HeaderFound(Place.PART, "content-type", b"Content-Type: message/rfc822"),
        HeadersEnd(Place.PART, Entity("message", "rfc822")),
        BodyFound(b"\r\n", 0, Entity("text", "plain")),
        HeaderFound(Place.NESTED, "subject", b"Subject: x"),
        HeaderFound(Place.NESTED, "content-transfer-encoding", b"Content-Transfer-Encoding: base64"),
        HeadersEnd(Place.NESTED, inner),
        BodyFound(b"\r\nin\r\n", 0, inner),
        DelimiterFound(b"--b--\r\nepilogue\r\n", 0, nothing, 0, closing=True),
    ]


def test_limits() -> None:
    """A header is cut, a boundary compared by its beginning, and one boundary too many is told of."""
    walk = Walk(Limits(header=20, boundary=3, nesting=1))
    head = b"X: " + b"a" * 9 + b"\r\n " + b"b" * 9 + b"\r\n " + b"c" * 9 + b"\r\n"
    found = list(walk.feed(head + b"Content-Type: multipart/a; boundary=abcd; boundary=e; boundary=f\r\n\r\n--abcx\r\nA: b\r\n"))
    assert HeaderFound(Place.PRIMARY, "x", b"X: aaaaaaaaa\n bbbbbbbbb") in found
    assert walk.boundaries.openers == (b"--abc", b"--e")
    assert walk.boundaries.too_deep
    assert HeaderFound(Place.PART, "a", b"A: b") in [*found, *walk.finish()]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b" multipart/mixed; boundary=b", ContentType("multipart", "mixed", (b"b",))),
        (b' Multipart (a;b) / MIXED (\\)); x=y; boundary (c) = (d(e)) "f;g" h', ContentType("multipart", "mixed", (b"f;g",))),
        (b"multipart/mixed; boundary=b; boundary=c", ContentType("multipart", "mixed", (b"b", b"c"))),
        (b"multipart/mixed; boundary*1=c; boundary*0*=us-ascii''%61b", ContentType("multipart", "mixed", (b"abc",))),
        (b"multipart/mixed; boundary*=utf-8'en'a%62; boundary=c", ContentType("multipart", "mixed", (b"c", b"ab"))),
        (b'multipart/mixed; boundary="a \n b\\"c', ContentType("multipart", "mixed", (b'a b"c',))),
        (b"multipart/mixed; boundary=a\0b", ContentType("multipart", "mixed", (b"a",))),
        (b'text/plain; boundary="a"', ContentType("text", "plain")),
        (b"multipart; boundary=a", ContentType("multipart", "", (b"a",))),
        (b'"multipart"/mixed; boundary=a', ContentType("other")),
        (b"", ContentType()),
        (b"(nothing", ContentType()),
    ],
)
def test_content_type(value: bytes, found: ContentType) -> None:
    assert content_type(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b" (x) Base64 (y)", ("base64", "7bit")),
        (b"8BIT;", ("8bit", "8bit")),
        (b"binary", ("binary", "binary")),
        (b"x-gzip", None),
        (b'"base64"', None),
        (b"(", None),
    ],
)
def test_transfer_encoding(value: bytes, found: tuple[str, str] | None) -> None:
    assert transfer_encoding(value) == found


@given(st.binary(max_size=80))
def test_content_type_takes_anything(value: bytes) -> None:
    content_type(b"multipart/x;boundary=" + value)
    transfer_encoding(value)
