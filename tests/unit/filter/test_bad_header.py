"""What is wrong with header sections."""

import pytest

from gatepost.filter.bad_header import bad_headers
from gatepost.mail import header

GOOD = b"From: a@b.example\r\nTo: b@c.example\r\nSubject: caf\xc3\xa9\r\nReceived: x\r\nReceived: y\r\n"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (b"", ()),
        (b"X: a\r\n\tb\r\n", ()),
        (b"X: " + b"a" * 995 + b"\r\n", ()),
        (b"X: a\0b\r\n", ("Improper use of NUL character",)),
        (b"X: a\x1bb\r\n", ("Improper use of control character",)),
        (b"X: caf\xe9\r\n", ("Non-encoded 8-bit data",)),
        (b"X: a\r\n \r\n b\r\n", ("Improper folded header field made up entirely of whitespace",)),
        (b"X: a\r\n " + b"a" * 998 + b"\r\n", ("Header line longer than 998 characters",)),
        (b"SUBJECT: again\r\n", ('Duplicate header field: "Subject"',)),
        (b"X: \xe9\r\n" * 9 + b"From: c@d.example\r\n", ("Non-encoded 8-bit data", 'Duplicate header field: "From"')),
    ],
)
def test_sections(more: bytes, told: tuple[str, ...]) -> None:
    assert bad_headers(header.split(GOOD + more + b"\r\n").headers) == told
