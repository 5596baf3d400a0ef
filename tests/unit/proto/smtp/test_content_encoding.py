"""Content on the wire: dots, long lines, conversion to 7 bit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.content.downgrade import downgraded
from gatepost.mail.mime import Limits
from gatepost.proto.smtp.client_commands import Capabilities, MailParameters, mail_from, rcpt_to, xforward, xtext
from gatepost.proto.smtp.dot_stuffing import Encoder, encoded


def wire(*pieces: bytes, limit: int = 998) -> bytes:
    return b"".join(encoded(pieces, Encoder(limit)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n..b\r\n", b"a\r\n..\r\n...b\r\n.\r\n"),
        (b"a.b\r\n", b"a.b\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
    ],
)
def test_dots(content: bytes, expected: bytes) -> None:
    assert wire(content) == expected


@pytest.mark.parametrize(("length", "lengths"), [(100, [100]), (101, [100, 2]), (250, [100, 100, 52])])
def test_long_lines_are_broken_with_a_space(length: int, lengths: list[int]) -> None:
    encoder = Encoder(100)
    lines = b"".join(encoded([b"s\r\n" + b"a" * length + b"\r\n"], encoder)).split(b"\r\n")
    assert [len(line) for line in lines[1:-2]] == lengths
    assert encoder.broken == (length > 100)


content = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\r", b"bcdefghij", b" "]), max_size=60).map(b"".join)


@given(content, st.sets(st.integers(0, 300)), st.sampled_from([0, 7, 998]))
def test_cuts_make_no_difference(octets: bytes, cuts: set[int], limit: int) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(octets)), len(octets)]
    pieces = [octets[start:end] for start, end in pairwise(edges)]
    assert wire(*pieces, limit=limit) == wire(octets, limit=limit)


@given(content)
def test_what_is_stuffed_can_be_read_again(octets: bytes) -> None:
    lines = wire(octets, limit=0).split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    read = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])
    assert read == octets if octets.endswith(b"\r\n") or not octets else read == octets + b"\r\n"


CONVERTED = [
    (
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\nDate: d\r\n\r\npre\r\n--b\r\n"
        b"Content-Type: text/x; c=u\r\nContent-Transfer-Encoding: 8bit\r\n\r\nna\xefve\r\n--b\r\nContent-Type: text/x\r\n"
        b"\r\nplain\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\nepi\xff\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\nDate: d\r\nContent-Transfer-Encoding: 7bit\r\n\r\npre\r\n--b\r\n"
        b"Content-Type: text/x; c=u\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve\r\n--b\r\n"
        b"Content-Type: text/x\r\n\r\nplain\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\nepi\xff\r\n",
    ),
    (
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\nContent-Type: text/plain\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\nna\xefve\r\n",
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: inner\r\nContent-Type: text/plain\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve\r\n",
    ),
    (
        b"Content-Transfer-Encoding: 8bit\r\n\r\ntab\there\x01\x7f\xff\r\n   \r\nend\t\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\ntab\there=01=7F=FF\r\n  =20\r\nend=09\r\n",
    ),
    (b"Subject: undeclared\r\n\r\nna\xefve\r\n", b"Subject: undeclared\r\n\r\nna\xefve\r\n"),
    (b"Content-Transfer-Encoding: 8bit\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n"),
    (b"no header\r\n", b"no header\r\n"),
]


@pytest.mark.parametrize(("eight", "seven"), CONVERTED)
def test_conversion_to_7_bit(eight: bytes, seven: bytes) -> None:
    assert b"".join(downgraded([eight], Limits())) == seven
    assert b"".join(downgraded([eight[n : n + 1] for n in range(len(eight))], Limits())) == seven


def test_quoted_printable_lines_are_short() -> None:
    out = b"".join(downgraded([b"Content-Transfer-Encoding: 8bit\r\n\r\n" + b"\xe9 =" * 200 + b"\r\n"], Limits()))
    assert max(map(len, out.split(b"\r\n"))) <= 76


ALL = Capabilities({"SIZE": "", "8BITMIME": "", "DSN": "", "SMTPUTF8": "", "AUTH": "PLAIN"})


def test_mail_from() -> None:
    wanted = MailParameters(367, "8bit", "my+id", "FULL", True, True)
    assert mail_from(b"a@b", wanted, ALL) == b"MAIL FROM:<a@b> SIZE=367 BODY=8BITMIME ENVID=my+2Bid RET=FULL SMTPUTF8 AUTH=<>\r\n"
    assert mail_from(b"", wanted, Capabilities()) == b"MAIL FROM:<>\r\n"


def test_rcpt_to() -> None:
    assert rcpt_to(b"x@y", "rfc822;üser@y", 2 | 8, ALL) == b"RCPT TO:<x@y> ORCPT=rfc822;+C3+BCser@y NOTIFY=SUCCESS,DELAY\r\n"
    assert rcpt_to(b'"a b"@y', 'rfc822;"a b"@y', 0, ALL) == b'RCPT TO:<"a b"@y> ORCPT=rfc822;"a+20b"@y\r\n'
    assert rcpt_to(b"x@y", "rfc822;x@y", 1, Capabilities()) == b"RCPT TO:<x@y>\r\n"


def test_xforward() -> None:
    offered = Capabilities({"XFORWARD": "NAME ADDR PROTO HELO"})
    values = {"NAME": "c.test", "ADDR": "192.0.2.1", "PORT": "25", "PROTO": "ESMTP", "HELO": ""}
    assert list(xforward(values, offered)) == [b"XFORWARD NAME=c.test ADDR=192.0.2.1\r\n", b"XFORWARD PROTO=ESMTP\r\n"]


@given(st.binary(max_size=40))
def test_xtext_is_printable(octets: bytes) -> None:
    coded = xtext(octets)
    assert all(33 <= octet <= 126 and octet != ord("=") for octet in coded)
