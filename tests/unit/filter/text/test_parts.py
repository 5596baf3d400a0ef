"""Parts: where they begin and end, what their headers say, and what is ambiguous."""

import pytest

from gatepost.filter.port import Ambiguity, Part
from gatepost.filter.text.parts import Limits, parts

TREE = b"""Subject: x
Content-Type: multipart/mixed; boundary=a

preamble
--a
Content-Type: multipart/alternative; boundary=ab

--ab

one
--ab
Content-Type: text/HTML; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

t=77o

--ab--
epilogue
--a
Content-Type: message/rfc822

Subject: y

three
--abc
--a--
"""


def told(part: Part) -> tuple[tuple[int, ...], str, bytes]:
    return part.path, part.type, part.content


def test_the_tree() -> None:
    assert [told(part) for part in parts(TREE)] == [
        ((), "multipart/mixed", b""),
        ((1,), "multipart/alternative", b""),
        ((1, 1), "text/plain", b"one"),
        ((1, 2), "text/html", b"two\n"),
        ((2,), "message/rfc822", b""),
        ((2, 1), "text/plain", b"three\n--abc"),
    ]


def test_an_encoded_message_is_taken_apart() -> None:
    message = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeQoKaW4K\n"
    assert [told(part) for part in parts(message)][1:] == [((1,), "text/plain", b"in\n")]


def test_a_boundary_that_should_be_quoted() -> None:
    message = b"Content-Type: multipart/mixed; boundary=--_=a/b:c; x=y\n\n----_=a/b:c\n\none\n----_\n----_=a/b:c--\n"
    assert [told(part) for part in parts(message)][1:] == [((1,), "text/plain", b"one\n----_")]


def test_limits() -> None:
    assert [part.path for part in parts(TREE, Limits(nodes=3))] == [(), (1,), (1, 1)]
    assert [part.path for part in parts(TREE, Limits(depth=1))] == [(), (1,), (2,)]
    assert b"".join(part.content for part in parts(TREE, Limits(content=5))) == b"onetw"
    assert parts(TREE, Limits(headers=20))[0].headers == ((b"Subject", b"x"),)


def test_what_is_left_out_is_told_of() -> None:
    for limits in (Limits(nodes=3), Limits(depth=1), Limits(content=5)):
        assert parts(TREE, limits)[0].ambiguities == (Ambiguity.LEFT_OUT,)
    assert parts(TREE)[0].ambiguities == ()


def test_blank_lines() -> None:
    """More than twenty in a row are as good as twenty."""
    assert parts(b"\na" + b"\n" * 40 + b"b")[0].content == b"a" + b"\n" * 21 + b"b"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (b"Content-Type: text/html\nContent-Type: text/plain\n", (Ambiguity.TYPES,)),
        (b"Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n", (Ambiguity.ENCODINGS,)),
        (b"Content-Type: multipart/mixed; boundary=a; boundary=b\n", (Ambiguity.BOUNDARIES,)),
        (b"Content-Type: multipart/mixed; boundary=a; boundary*=b\n", (Ambiguity.BOUNDARIES,)),
        (b"Content-Type: multipart/mixed; boundary=a=b\n", (Ambiguity.BOUNDARIES,)),
        (b"Content-Type: multipart/mixed; boundary=a\0b\n", (Ambiguity.NUL,)),
        (b"Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n", (Ambiguity.ENCODED,)),
        (b"Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: 8bit\n", ()),
    ],
)
def test_ambiguities(headers: bytes, found: tuple[Ambiguity, ...]) -> None:
    assert parts(headers + b"\n")[0].ambiguities == found
