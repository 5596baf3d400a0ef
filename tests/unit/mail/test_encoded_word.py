"""Encoded words: what others read in them is what was written."""

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.encoded_word import encoded_words


@pytest.mark.parametrize(
    ("text", "charset", "written"),
    [
        ("J\u00fcrgen", "utf-8", "=?utf-8?q?J=C3=BCrgen?="),
        ("\u65e5\u672c\u8a9e", "utf-8", "=?utf-8?b?5pel5pys6Kqe?="),
        ('"a?=b_\u00fc"', "utf-8", "=?utf-8?b?ImE/PWJfw7wi?="),
        ("J\udcfcrgen", "iso-8859-1", "=?iso-8859-1?q?J=FCrgen?="),
    ],
)
def test_words(text: str, charset: str, written: str) -> None:
    assert encoded_words(text, charset) == written


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
def test_any_text(text: str) -> None:
    written = encoded_words(text, "utf-8")
    assert written.isascii()
    assert all(len(word) <= 75 for word in written.split(" "))
    assert str(make_header(decode_header(written))) == text
