"""URIs: what is found in text, which forms an obfuscated one has, whose the hosts are. Found out beside SpamAssassin 4.0.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.text.uris.cleaning import cleaned
from gatepost.filter.text.uris.domains import Domains, domains
from gatepost.filter.text.uris.finding import found_in
from gatepost.filter.text.uris.redirectors import Redirectors

KNOWN = domains(["com net uk is", "py"], ["co.uk", "blog.com"], ["a.b.net"])
NONE = Redirectors([])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('see http://a.com/x, (http://b.com/x(y)) "http://c.com"', ["http://a.com/x", "http://b.com/x(y", "http://c.com"]),
        ("http://a.com/x|y http://a.com/-= HTTP://A.COM", ["http://a.com/x", "http://a.com/", "HTTP://A.COM"]),
        ("xhttp://a.com xhttp://b.com/ .http://a.com/", ["http://a.com", "http://a.com/"]),
        ("www.a.com, (WWW2.a.com) awww.a.com/ www.a.com,x ftp.a.com", ["http://www.a.com", "http://WWW2.a.com", "ftp://ftp.a.com"]),
        ("www.a.com/x. www.nowhere www.a.com:80/y", ["http://www.a.com/x", "http://www.a.com:80/y"]),
        (
            'a.com b.com. c.com/x, d.com" -e.com f.com: g.com/ h.com, (i.com)',
            ["http://a.com", "http://b.com", "http://c.com/x", "http://d.com"],
        ),
        ("/usr/lib/x.py lib.so.4.2.0 1.2.3.4 e.g. this.is", ["http://x.py", "http://this.is"]),
        (
            "me@a.com, <you@b.co.uk> x@y@a.com z@a.nowhere To:w@a.com",
            ["mailto:me@a.com", "mailto:you@b.co.uk", "mailto:To:w@a.com"],
        ),
        ("x *a-b@a.com E-mail:c@a.com /d/e@a.com", ["mailto:*a-b@a.com", "mailto:c@a.com"]),
        ("mailto:me@a.com?subject=x) mailto:a.com", ["mailto:me@a.com?subject=x"]),
    ],
)
def test_found_in_text(text: str, found: list[str]) -> None:
    assert [uri for uri, _ in found_in(text, KNOWN)] == found


def test_kinds() -> None:
    kinds = dict(found_in("http://a.com www.b.com c.com d@e.com", KNOWN))
    assert kinds == {
        "http://a.com": ("parsed",),
        "http://www.b.com": ("parsed", "schemeless"),
        "http://c.com": ("parsed", "schemeless", "unlinked"),
        "mailto:d@e.com": ("parsed", "schemeless"),
    }


@pytest.mark.parametrize(
    ("raw", "forms"),
    [
        ("http://a.com/%41%2f%20%25%34", {"http://a.com/A/%20%4"}),
        ("http:\\\\a.com\\x", {"http://a.com/x"}),
        ("https:a.com", {"https://a.com"}),
        ("www.a.com?x", {"http://www.a.com?x", "http://www.a.com/?x"}),
        ("/x", set()),
        ("#x", set()),
        ("//a.com", {"http:////a.com"}),
        ("http://u:p@a.com:80/", {"http://a.com/"}),
        ("http://a.com:8080/", set()),
        ("http://a.com./", {"http://a.com/"}),
        ("http://0x7f000001/", {"http://127.0.0.1/"}),
        ("http://2130706433/", {"http://127.0.0.1/"}),
        ("http://0300.0250.1.1/", {"http://192.168.1.1/"}),
        ("http://foo/bar", {"http://www.foo.com/bar"}),
        ("http://\u043f\u0440.com/", {"http://xn--o1ac.com/"}),
        ("mailto:a@b.com?x", {"mailto:a@b.com"}),
        ("http://a.com/?u=http%3A%2F%2Fb.com/&c", {"http://a.com/?u=http://b.com/&c", "http://b.com/"}),
        (" http://a.com/\n x ", {"http://a.com/ x"}),
    ],
)
def test_cleaned(raw: str, forms: set[str]) -> None:
    assert set(cleaned(raw, NONE)) - {raw} == forms


def test_redirectors() -> None:
    known = Redirectors(["m'^http://r\\.com/\\?to=(.*?)(?:$|&)'i", "/^http:\\/\\/s\\.com\\/(.+)$/", "nonsense", "m'('"])
    assert set(cleaned("HTTP://R.com/?to=b.com&x", known)) >= {"b.com", "http://b.com"}
    assert known.targets("http://s.com/c.com") == ["c.com"]
    assert known.targets("http://t.com/") == []


@pytest.mark.parametrize(
    ("host", "registered"),
    [
        ("a.com", "a.com"),
        ("x.y.a.com", "a.com"),
        ("x.a.co.uk", "a.co.uk"),
        ("co.uk", "co.uk"),
        ("y.x.blog.com", "x.blog.com"),
        ("y.x.a.b.net", "x.a.b.net"),
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.400", ""),
        ("a.nowhere", ""),
        ("a..com", ""),
        ("-a.com", ""),
        ("a_b.com", ""),
        ("com", ""),
        ("a." * 200 + "com", ""),
    ],
)
def test_registered(host: str, registered: str) -> None:
    assert KNOWN.registered(host) == registered


def test_without_a_list_any_name_may_be_one() -> None:
    assert Domains(frozenset()).registered("a.nowhere") == "a.nowhere"


@given(st.text(st.sampled_from("ahtp:/@.%?&=w0x2 \\[]m\u0440"), max_size=60))
def test_anything_can_be_cleaned(raw: str) -> None:
    assert cleaned(raw, NONE)
    assert list(found_in(raw, KNOWN)) is not None
