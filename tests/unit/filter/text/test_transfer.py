"""Transfer encodings undone: what is right comes back as it was, and of what is wrong the rest is used."""

import base64 as library
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.text.transfer import base64, decoded, quoted_printable


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (b"YWJj\nZGVm\n", b"abcdef"),
        (b"YWJ*j\n--\nZG Vm", b"abcdef"),
        (b"YWI=\nZGVm", b"abdef"),
        (b"YWJjZ", b"abc"),
        (b"YWJjZG", b"abcd"),
        (b"YWJjZGV", b"abcde"),
        (b"=", b""),
    ],
)
def test_base64(text: bytes, content: bytes) -> None:
    assert base64(text) == content


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (b"a=3Db=\nc=3d\n", b"a=bc=\n"),
        (b"a= \nb", b"ab"),
        (b"foo   \nbar\t\n", b"foo\nbar\n"),
        (b"a=XYb=4", b"a=XYb=4"),
        (b"a=", b"a="),
        (b"a==41=", b"a=A="),
        (b"a=\rb", b"a=\rb"),
        (b"x=0D=0Ay\n", b"x\ny\n"),
        (b"end  ", b"end  "),
    ],
)
def test_quoted_printable(text: bytes, content: bytes) -> None:
    assert quoted_printable(text) == content


@given(st.binary(max_size=300))
def test_what_was_encoded_comes_back(content: bytes) -> None:
    assert decoded(library.encodebytes(content), "base64") == content
    lines = content.replace(b"\r", b"").replace(b"=", b"")
    assert decoded(quopri.encodestring(lines), "quoted-printable") == lines


@given(st.binary(max_size=300), st.sampled_from(("base64", "quoted-printable", "x", "")))
def test_anything_can_be_decoded(raw: bytes, encoding: str) -> None:
    assert len(decoded(raw, encoding)) <= len(raw)
