"""Where a domain wants its reports (RFC 8460 §3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.tlsrpt.names import bounded, domain
from gatepost.tlsrpt.record import MOST_EACH, Destinations, parse, record_of

V = "v=TLSRPTv1"


@pytest.mark.parametrize(
    ("record", "mail", "https"),
    [
        (f"{V};rua=mailto:reports@example.com", ("reports@example.com",), ()),
        (f"{V}; rua=https://reporting.example.com/v1/tlsrpt", (), ("https://reporting.example.com/v1/tlsrpt",)),
        (f"{V}; rua=mailto:a@b.test,https://c.test/ ;", ("a@b.test",), ("https://c.test/",)),
        (f"{V} ; rua = mailto:a@b.test , mailto:c@d.test", ("a@b.test", "c@d.test"), ()),
        (f"{V};x=y;rua=mailto:a@b.test", ("a@b.test",), ()),
        (f"{V};rua=MAILTO:a@B.test.", ("a@b.test",), ()),
        (f"{V};rua=mailto:a@b.test,mailto:a@b.test", ("a@b.test",), ()),
        (f"{V};rua=mailto:a@b.test?subject=x&bcc=victim@c.test", ("a@b.test",), ()),
        (f"{V};rua=mailto:a%2Bb@b.test", ("a+b@b.test",), ()),
        (f"{V};rua=mailto:a%0d%0aBcc:c@b.test", (), ()),  # another header
        (f"{V};rua=mailto:a@b.test%2Cc@d.test", (), ()),
        (f"{V};rua=mailto:a@[127.0.0.1]", (), ()),
        (f"{V};rua=mailto:a@127.0.0.1", (), ()),
        (f"{V};rua=mailto:root,mailto:@b.test,mailto:", (), ()),
        (f"{V};rua=https://127.0.0.1/,https://[::1]/,https://localhost/,https://2130706433/", (), ()),
        (f"{V};rua=https://user:pw@b.test/,https://b.test:99999/,https:///x", (), ()),
        (f"{V};rua=http://b.test/,ftp://b.test/,file:///etc/passwd,tel:1", (), ()),
        (f"{V};rua=", (), ()),
        (V, (), ()),
    ],
)
def test_parse(record: str, mail: tuple[str, ...], https: tuple[str, ...]) -> None:
    assert parse(record) == Destinations(mail, https)


def test_of_many_few_count() -> None:
    uris = ",".join(f"mailto:a{n}@b.test,https://c{n}.test/" for n in range(1000))
    found = parse(f"{V};rua={uris}")
    assert found == Destinations(("a0@b.test", "a1@b.test"), ("https://c0.test/", "https://c1.test/"))


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((), None),
        (("v=spf1 -all", f"{V}; rua=x"), f"{V}; rua=x"),
        ((f"{V}; rua=x", f"{V}; rua=y"), None),  # "not one" is none
        (("v=TLSRPTv10; rua=x",), None),
        (("V=TLSRPTV1; rua=x",), None),
        ((V + ";" + "x" * 5000,), None),
    ],
)
def test_record_of(texts: tuple[str, ...], found: str | None) -> None:
    assert record_of(texts) == found


@given(st.text(alphabet=st.sampled_from("v=TLSRPT1;rua=mailto:https/@.,%20[]!? \t\r\nß\udc80ab")) | st.text())
def test_whatever_is_published_a_report_goes_where_mail_and_requests_may_go(text: str) -> None:
    for record in (text, f"{V};rua=mailto:{text}", f"{V};rua=https://{text}"):
        found = parse(record)
        for one in (*found.mail, *found.https):
            assert one.isascii()
            assert one.isprintable()
            assert " " not in one
        assert all(address.count("@") == 1 and "," not in address for address in found.mail)
        assert len(found.mail) <= MOST_EACH
        assert len(found.https) <= MOST_EACH


@given(st.text(), st.integers(0, 300))
def test_bounded(text: str, most: int) -> None:
    short = bounded(text, most)
    assert len(short) <= most
    assert short.isascii()
    assert short.isprintable()
    if text.isascii() and text.isprintable():
        assert short == text[:most]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.TEST.", "example.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("127.0.0.1", None),
        ("::1", None),
        ("[127.0.0.1]", None),
        ("", None),
        ("a..b", None),
        ("a b.test", None),
        ("a\r\nb.test", None),
        ("a.test\n", None),
        ("x" * 64 + ".test", None),
        ("/var/run/socket", None),
    ],
)
def test_domain(text: str, name: str | None) -> None:
    assert domain(text) == name
