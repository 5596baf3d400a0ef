"""URLs that are asked, and those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.net.url import Url, parse


@pytest.mark.parametrize(
    ("text", "url", "authority"),
    [
        ("https://a.test", Url("https", "a.test", 443, "/"), "a.test"),
        ("HTTPS://A.Test:443/", Url("https", "a.test", 443, "/"), "a.test"),
        ("https://a.test:8443/x/../y?q=1&r=/?", Url("https", "a.test", 8443, "/x/../y?q=1&r=/?"), "a.test:8443"),
        ("https://a.test?q", Url("https", "a.test", 443, "/?q"), "a.test"),
        ("http://127.0.0.1:8080/~x", Url("http", "127.0.0.1", 8080, "/~x"), "127.0.0.1:8080"),
        ("https://[2001:DB8::1]:444/", Url("https", "2001:db8::1", 444, "/"), "[2001:db8::1]:444"),
        ("http://[::1]", Url("http", "::1", 80, "/"), "[::1]"),
    ],
)
def test_a_url(text: str, url: Url, authority: str) -> None:
    assert parse(text) == url
    assert url.authority == authority


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.test",
        "//a.test/",
        "ftp://a.test/",
        "file:///etc/passwd",
        "https:/a.test",
        "https://",
        "https:///x",
        "https://user@a.test/",
        "https://user:word@a.test/",
        "https://a.test@b.test/",
        "https://a.test\\@b.test/",
        "https://a.test#@b.test/",
        "https://a.test/#there",
        "https://a.test/ x",
        "https://a.test/\r\nHost: b.test",
        "https://a.test/\n",
        " https://a.test/",
        "https://a.test/\0",
        "https://a.test/ü",
        "https://ä.test/",
        "https://a.test:/",
        "https://a.test:0/",
        "https://a.test:65536/",
        "https://a.test:٣/",
        "https://a.test./",
        "https://a..test/",
        "https://.test/",
        "https://-a.test/",
        "https://1234/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://[127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://::1/",
        "https://[::g]/",
        "https://a.test/" + "x" * 5000,
        f"https://{'a' * 64}.test/",
    ],
)
def test_no_url(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@given(st.text() | st.from_regex(r"https?://[\x00-\x7f]{0,30}", fullmatch=True))
def test_what_is_parsed_stands_in_a_request_as_it_is(text: str) -> None:
    try:
        url = parse(text)
    except ValueError:
        return
    assert url.target.startswith("/")
    assert all("!" <= letter <= "~" for letter in url.authority + url.target)
    assert parse(url.origin + url.target) == url


def test_no_text_shows_a_query_or_a_user() -> None:
    assert "token" not in repr(parse("https://a.test/x?key=token"))
    for text in ("https://me:token@a.test/", "https://a.test:99999/?token", "https://1234/?token"):
        with pytest.raises(ValueError) as caught:
            parse(text)
        assert "token" not in str(caught.value)
