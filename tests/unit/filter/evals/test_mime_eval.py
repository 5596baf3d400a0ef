"""Encodings, charsets and structure of parts, as SpamAssassin 4.0.1 was seen to judge them."""

import base64

import pytest
from tests.unit.filter.evals.examined_message import Message

from gatepost.filter.evals import mime_eval
from gatepost.filter.evals.mime_eval import EVALS
from gatepost.filter.port import Text

TOP = b"From: a@b.example\nMIME-Version: 1.0\n"


def encoded(text: bytes, width: int = 76) -> bytes:
    line = base64.b64encode(text)
    return b"".join(line[at : at + width] + b"\n" for at in range(0, len(line), width))


def part(kind: bytes, encoding: bytes = b"", body: bytes = b"x\n", more: bytes = b"") -> bytes:
    lines = [b"Content-Type: " + kind] if kind else []
    lines += [b"Content-Transfer-Encoding: " + encoding] if encoding else []
    return b"".join(line + b"\n" for line in lines) + more + b"\n" + body


def multi(kind: bytes, *inside: bytes, end: bytes = b"--bb--\n") -> bytes:
    opened = b"".join(b"--bb\n" + one for one in inside)
    return b'Content-Type: multipart/%s; boundary="bb"\n\n%s%s' % (kind, opened, end)


LONG = b"hello world this is text " * 20 + b"\n"
ATTACHED = b"Content-Disposition: attachment\n"


def ask(function: str, octets: bytes, *arguments: str, **options: tuple[str, ...]) -> bool:
    return bool(EVALS[function](Message(TOP + octets, options=options), arguments))


@pytest.mark.parametrize(
    ("word", "octets", "expected"),
    [
        ("mime_base64_encoded_text", part(b"text/plain", b"base64", encoded(LONG)), True),
        ("mime_base64_encoded_text", part(b"text/csv; charset=us-ascii", b"base64", encoded(LONG)), True),
        ("mime_base64_encoded_text", part(b"text/plain; charset=utf-8", b"base64", encoded(LONG)), False),
        ("mime_base64_encoded_text", part(b"text/plain", b"base64", encoded(LONG), ATTACHED), False),
        ("mime_base64_count", multi(b"mixed", part(b"text/plain"), part(b"image/gif", b"base64", encoded(b"x"))), True),
        ("mime_qp_long_line", part(b"text/plain", b"quoted-printable", b"a" * 78 + b"\n"), False),
        ("mime_qp_long_line", part(b"text/plain", b"quoted-printable", b"a" * 79 + b"\n"), True),
        ("mime_qp_count", part(b"text/plain", b"quoted-printable", b"=41\n"), True),
        ("mime_qp_count", part(b"text/plain", b"quoted-printable", b"=3D =E9 =20=20\n"), False),
        ("mime_qp_count", part(b"text/plain", b"quoted-printable", b"a=09=20\nb=20\n=3D\n"), False),
        ("mime_qp_count", part(b"text/plain", b"quoted-printable", b"=09a\n"), True),
        ("mime_attachment", multi(b"mixed", part(b"text/plain"), part(b"application/x", more=ATTACHED)), True),
        ("mime_attachment", multi(b"mixed", part(b"text/plain"), part(b"application/x; name=a.exe")), False),
        ("mime_bad_iso_charset", part(b"text/plain; charset=iso-885-1"), True),
        ("mime_bad_iso_charset", part(b"text/plain; charset=iso-8859-15"), False),
        ("mime_bad_iso_charset", part(b"text/plain; charset=iso-2022-jp"), False),
        ("mime_missing_boundary", multi(b"mixed", part(b"text/plain"), end=b""), True),
        ("mime_missing_boundary", multi(b"mixed", part(b"text/plain")), False),
        ("a_word_that_means_nothing", part(b"text/plain"), False),
    ],
)
def test_words_of_check_for_mime(word: str, octets: bytes, expected: bool) -> None:
    assert ask("check_for_mime", octets, word) is expected


def test_a_charset_is_far_away_only_where_somebody_says_what_is_near() -> None:
    octets = part(b"text/plain; charset=koi8-r")
    assert not ask("check_for_mime", octets, "mime_faraway_charset")
    assert ask("check_for_mime", octets, "mime_faraway_charset", ok_locales=("en",))
    assert not ask("check_for_mime", octets, "mime_faraway_charset", ok_locales=("en ru",))


@pytest.mark.parametrize(
    ("flag", "octets", "expected"),
    [
        ("mime_epilogue_exists", multi(b"mixed", part(b"text/plain"), end=b"--bb--\nmore\n"), True),
        ("mime_epilogue_exists", multi(b"mixed", part(b"text/plain"), end=b"--bb--\n \n\n"), False),
        ("missing_mime_headers", multi(b"mixed", b"\nhello\n", part(b"text/plain")), True),
        ("missing_mime_headers", multi(b"mixed", part(b"text/plain")), False),
        ("missing_mime_head_body_separator", multi(b"mixed", b"Content-Type: text/plain\nhello there\n"), True),
        ("missing_mime_head_body_separator", multi(b"mixed", part(b"text/plain")), False),
        ("missing_head_body_separator", b"X: y\nthis is the body\n", True),
        ("missing_head_body_separator", part(b"text/plain"), False),
        ("truncated_header", b"X: " + b"a" * 8192 + b"\n\n", True),
        ("truncated_header", b"X: " + b"a" * 8180 + b"\n\n", False),
    ],
)
def test_flags_of_the_structure(flag: str, octets: bytes, expected: bool) -> None:
    assert ask("check_msg_parse_flags", octets, flag) is expected


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ([part(b"text/plain"), part(b"text/html")], False),
        ([part(b"text/plain"), part(b"image/png", b"base64")], True),
        ([part(b"text/plain"), part(b"application/rtf")], False),
        ([part(b"text/plain"), part(b"message/rfc822", body=b"Subject: x\n\nhi\n")], False),
        ([part(b"text/plain"), part(b'multipart/mixed; boundary="cc"', body=b"--cc\n" + part(b"image/gif") + b"--cc--\n")], False),
    ],
)
def test_alternatives_are_to_be_read(inside: list[bytes], expected: bool) -> None:
    assert ask("check_ma_non_text", multi(b"alternative", *inside)) is expected


@pytest.mark.parametrize(
    ("octets", "ratio"),
    [
        (multi(b"alternative", part(b"text/plain", body=b"a" * 50 + b"\n"), part(b"text/html", body=b"a" * 100 + b"\n")), 0.5),
        (multi(b"mixed", part(b"text/plain", body=b"\n"), part(b"text/html", body=b"a" * 100 + b"\n")), 1.0),
        (multi(b"alternative", part(b"text/html", body=b"a" * 100 + b"\n")), 1.0),
    ],
)
def test_plain_text_on_html(octets: bytes, ratio: float) -> None:
    assert ask("check_mime_multipart_ratio", octets, str(ratio - 0.02), str(ratio + 0.02))
    assert not ask("check_mime_multipart_ratio", octets, str(ratio + 0.02), "9")


@pytest.mark.parametrize(("width", "value"), [(76, 77), (78, 79), (80, 81)])
def test_lines_of_base64_are_measured_with_their_ends(width: int, value: int) -> None:
    octets = part(b"text/plain", b"base64", encoded(LONG, width))
    assert ask("check_base64_length", octets, str(value), str(value))
    assert not ask("check_base64_length", octets, str(value + 1))


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (part(b"text/plain", body=b"h\xe9llo\n"), True),
        (part(b"text/plain; charset=us-ascii", b"8bit", b"h\xe9llo\n"), True),
        (part(b"text/plain", body=b"h\rllo\n"), True),
        (part(b"text/plain", body=b"h\x01llo\r\n"), False),
        (part(b"text/plain; charset=utf-8", body=b"h\xe9llo\n"), False),
        (part(b"text/html", body=b"h\xe9llo\n"), False),
    ],
)
def test_ascii_that_is_none(octets: bytes, expected: bool) -> None:
    assert ask("check_for_ascii_text_illegal", octets) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([b"hi x\n", b"ABCD " * 60 + b"abcd " * 60], 49.69),
        ([b"hi x\n", b"AB12 " * 60 + b"abcd " * 60], 24.84),
        ([b"hi x\n", b"ABCD " * 28], 0.0),
        ([b"hi x\n", (b"A" * 72 + b" ") * 5, b"abcd " * 60], 0.0),
        ([b"hi x\n", b"A" * 78 + b"\n", b"abcd " * 60], 0.0),
    ],
    ids=["halves", "digits count below", "too short", "was base64", "one word"],
)
def test_capitals(body: list[bytes], expected: float) -> None:
    assert mime_eval._capitals(Message(text=Text(body=tuple(body)))) == pytest.approx(expected, abs=0.01)


def test_capitals_are_not_counted_where_octets_only_look_like_them() -> None:
    text = Text(body=(b"hi x\n", b"ABCD " * 60))
    kinds = {charset: part(b"text/plain; charset=" + charset) for charset in (b"koi8-r", b"euc-kr", b"iso-8859-1")}
    counted = {charset: mime_eval._capitals(Message(TOP + octets, text)) for charset, octets in kinds.items()}
    assert [bool(percent) for percent in counted.values()] == [False, False, True]


def test_html_only() -> None:
    assert ask("check_for_mime_html_only", part(b"text/html"))
    assert not ask("check_for_mime_html_only", multi(b"mixed", part(b"text/plain"), part(b"text/html")))
    assert ask("check_for_mime_html", multi(b"mixed", part(b"text/plain"), part(b"text/html")))
