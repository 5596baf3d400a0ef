"""Charsets: valid UTF-8 first, what is declared if it explains all, windows-1252 else. Found out beside SpamAssassin 4.0.1."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.text.charsets import plain_spaces, to_utf8


@pytest.mark.parametrize(
    ("text", "charset", "found"),
    [
        (b"plain", "utf-16", "\u706c\u6169".encode()),
        (b'\x1b$B$"\x1b(B x', "us-ascii", b'\x1b$B$"\x1b(B x'),
        (b'\x1b$B$"\x1b(B x', "iso-2022-jp", "\u3042 x".encode()),
        (b"caf\xe9 \x93x\x94 \x80", "iso-8859-1", "caf\xe9 \u201cx\u201d \u20ac".encode()),
        (b"caf\xe9 \x93x\x94 \x80", "", "caf\xe9 \u201cx\u201d \u20ac".encode()),
        (b"caf\xe9", "nobody-knows", "caf\xe9".encode()),
        (b"caf\xe9", "utf-8", "caf\xe9".encode()),
        (b"caf\xc3\xa9", "koi8-r", "caf\xe9".encode()),
        (b"\xe9", "koi8-r", "\u0418".encode()),
        (b"\xe9", "windows-1251", "\u0439".encode()),
        (b"\xb0\xa1 x", "gb2312_charset", "\u554a x".encode()),
        (b"\xa4\xa4\xa4\xe5 \xb9\xa4\xf9", "big5", "\u4e2d\u6587 \u99b1".encode()),
        (b"\xb0\xa1 \xc3", "ks_c_5601-1987", "\uac00 ".encode()),
        (b"\x81\x8d", "", "\ufffd\ufffd".encode()),
        (b"+AOk-", "utf-7", "\xe9".encode()),
        (b"\xff+AOk-", "utf-7", b"\xff+AOk-"),
        (b"\xff", "rot13", "\xff".encode()),
    ],
)
def test_to_utf8(text: bytes, charset: str, found: bytes) -> None:
    assert to_utf8(text, charset) == found


def test_nothing_is_loaded_for_a_charset() -> None:
    """The scanner has no files by then: what a message names must be there, or not be."""
    program = (
        "import sys; from gatepost.filter.text import charsets; from gatepost.filter.text.uris import cleaning, redirectors\n"
        "from gatepost.filter.text.html.entities import unescaped; before = set(sys.modules)\n"
        "for name in [*charsets.encodings.aliases.aliases, 'windows-1251', 'koi8-u', 'x-mac-cyrillic', 'nothing', 'zlib', 'hex']:\n"
        "    charsets.to_utf8(bytes(range(256)), name)\n"
        "cleaning.cleaned('http://\\u0440.com/', redirectors.Redirectors([])); unescaped('&#55357;&#56832;')\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "\n"


def test_spaces() -> None:
    assert plain_spaces("a\u0085b\u00a0c\u2028d\u3000e\u200bf\u2003g".encode()) == "a b c d e\u200bf g".encode()


@given(
    st.binary(max_size=100), st.sampled_from(("", "utf-8", "gb2312", "iso-2022-kr", "utf-16", "utf-7", "punycode", "x" * 99, "\0"))
)
def test_anything_becomes_text(text: bytes, charset: str) -> None:
    found = to_utf8(text, charset)
    assert found == text or found.decode() is not None
