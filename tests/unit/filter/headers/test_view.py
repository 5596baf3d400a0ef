"""Headers as rules name them."""

import pytest

from gatepost.filter.headers.section import section
from gatepost.filter.headers.view import View
from gatepost.filter.port import Relay, Relays, Session

MESSAGE = b"Subject: a\n\tb\nno header here\nto : x@example.com\nSUBJECT:  c \nX-Spam-Flag: YES\n\nbody\n"
RELAYS = Relays(untrusted=(Relay(ip="192.0.2.1", helo="h.example", by="mx.example", intl=True),))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Subject", b"a b\nc\n"),
        ("subject:raw", b" a\n\tb\n  c \n"),
        ("To", b"x@example.com\n"),
        ("Cc", None),
        ("X-Spam-Flag", None),
        ("ALL", b"Subject: a b\nto: x@example.com\nSUBJECT: c\n"),
        ("ALL:raw", MESSAGE.partition(b"\n\n")[0] + b"\n"),
        ("X-Spam-Relays-Trusted", b""),
        (
            "X-Spam-Relays-Untrusted",
            b"[ ip=192.0.2.1 rdns= helo=h.example by=mx.example ident= envfrom= intl=1 id= auth= msa=0 ]",
        ),
    ],
)
def test_a_header_as_a_rule_names_it(name: str, value: bytes | None) -> None:
    assert View(section(MESSAGE), RELAYS, Session()).get(name) == value


@pytest.mark.parametrize(
    ("octets", "body", "separated"),
    [
        (b"A: b\n\nbody", b"body", True),
        (b"A: b\n--boundary\n\nbody", b"--boundary\n\nbody", False),
        (b"\nA: b\n", b"A: b\n", True),
        (b"A: b", b"", False),
        (b"not one\n continued\nA: b\n\nbody", b"body", True),
    ],
)
def test_where_the_section_ends(octets: bytes, body: bytes, separated: bool) -> None:
    found = section(octets)
    assert (octets[found.body :], found.separated) == (body, separated)


def test_what_is_beyond_the_limits_is_not_looked_at() -> None:
    found = section(b"A:" + b"a" * 9000 + b"\n" + b"B: c\n" * 20_000)
    assert found.truncated
    assert len(found.fields[0].raw) == 8192
    assert sum(len(field.raw) for field in found.fields) < 65536


PEOPLE = (
    b'From: "Doe, Jane" <jane@mail.example.co.uk> (at home)\nTo: =?utf-8?q?J=C3=B6rg?= <j@a.example>, list: b@b.example;\n'
    b"Cc: c@c.example (Carl)\nMessage-ID: <2@x>\nResent-Message-ID: <1@x>\nX-Originating-IP: [192.0.2.7]\n"
    b"Subject: one\nSubject: two\n\n"
)
OPTIONS = {"util_rb_tld": ("example uk",), "util_rb_2tld": ("co.uk",)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("From:addr", b"jane@mail.example.co.uk"),
        ("From:name", b"Doe, Jane"),
        ("From:addr:domain", b"example.co.uk"),
        ("From:host", b"mail.example.co.uk"),
        ("To:addr", b"j@a.example\nb@b.example"),
        ("To:name", "Jörg".encode()),
        ("To:raw", b" =?utf-8?q?J=C3=B6rg?= <j@a.example>, list: b@b.example;\n"),
        ("ToCc:addr", b"j@a.example\nb@b.example\nc@c.example"),
        ("Cc:name", b"Carl"),
        ("MESSAGEID", b"<1@x>\n<2@x>\n"),
        ("X-Originating-IP:ip", b"192.0.2.7"),
        ("X-Originating-IP:revip", b"7.2.0.192"),
        ("Subject:first", b"one\n"),
        ("Subject:last", b"two\n"),
        ("Bcc:addr", None),
    ],
)
def test_what_modifiers_make_of_values(name: str, value: bytes | None) -> None:
    assert View(section(PEOPLE), Relays(), Session(), OPTIONS).get(name) == value


SIDES = b"A: 1\nReceived: ours\nB: 2\nReceived: theirs\nC: 3\n\n"


@pytest.mark.parametrize(
    ("line", "inner", "outer"),
    [
        (None, b"A: 1\nReceived: ours\nB: 2\nReceived: theirs\nC: 3\n", None),
        (-1, None, b"A: 1\nReceived: ours\nB: 2\nReceived: theirs\nC: 3\n"),
        (0, b"A: 1\nReceived: ours\n", b"Received: ours\nB: 2\nReceived: theirs\nC: 3\n"),
        (1, b"A: 1\nReceived: ours\nB: 2\nReceived: theirs\n", b"Received: theirs\nC: 3\n"),
    ],
)
def test_headers_of_hosts_that_are_trusted_and_of_others(line: int | None, inner: bytes | None, outer: bytes | None) -> None:
    view = View(section(SIDES), Relays(untrusted_line=line, external_line=line), Session())
    assert [view.get(name) for name in ("ALL-TRUSTED", "ALL-INTERNAL")] == [inner, inner]
    assert [view.get(name) for name in ("ALL-UNTRUSTED", "ALL-EXTERNAL")] == [outer, outer]
