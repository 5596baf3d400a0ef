"""Keys in filters and names mean nothing but themselves; LDAP URLs (RFC 4514, 4515, 4516)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup.ldap_text import LdapUrl, in_dn, in_filter, is_url, parse_url


@pytest.mark.parametrize(
    ("key", "quoted"),
    [
        ("anna@example.com", "anna@example.com"),
        ("Parens R Us (for all)", r"Parens R Us \28for all\29"),  # RFC 4515, 4
        ("*", r"\2a"),
        ("C:\\MyFile", r"C:\5cMyFile"),
        ("\0", r"\00"),
        ("Lučić", "Lučić"),
        ("a)(|(cn=*", r"a\29\28|\28cn=\2a"),
    ],
)
def test_in_filter(key: str, quoted: str) -> None:
    assert in_filter(key) == quoted


@pytest.mark.parametrize(
    ("key", "quoted"),
    [
        ('James "Jim" Smith, III', r"James \"Jim\" Smith\, III"),  # RFC 4514, 4
        ("#hash", r"\#hash"),
        (" both ", r"\ both\ "),
        (" ", r"\ "),
        ("a+b=c;d<e>f\\", r"a\+b\=c\;d\<e\>f\\"),
        ("Before\rAfter", r"Before\0dAfter"),
        ("a\0\x7f", r"a\00\7f"),
        ("a#b c", "a#b c"),
        ("x\n", r"x\0a"),
    ],
)
def test_in_dn(key: str, quoted: str) -> None:
    assert in_dn(key) == quoted


@given(st.text())
def test_a_filter_value_is_read_back_as_it_was(key: str) -> None:
    quoted = in_filter(key)
    assert not set(quoted) & set("*()\0")
    assert re.sub(r"\\([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), quoted) == key


@given(st.text())
def test_a_name_is_read_back_as_it_was(key: str) -> None:
    quoted = in_dn(key)
    assert re.fullmatch(r'(?:\\[0-9a-f]{2}|\\[^0-9a-f]|[^\\",+<>;=\0-\x1f])*', quoted)
    assert re.sub(r"\\([0-9a-f]{2}|.)", lambda match: chr(int(match[1], 16)) if len(match[1]) == 2 else match[1], quoted) == key


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ldap:///cn=a,dc=b", LdapUrl("cn=a,dc=b")),
        ("LDAP://host:389/dc=b??sub", LdapUrl("dc=b", scope=2)),
        ("ldaps://h/dc=b?mail,cn?ONE?(cn=x)", LdapUrl("dc=b", ("mail", "cn"), 1, "(cn=x)")),
        ("ldapi:///o=a%3fb%2cc??base?(cn=%2a)", LdapUrl("o=a?b,c", (), 0, "(cn=*)")),
        ("ldap://host", LdapUrl("")),
        ("ldap:///dc=b?*?", LdapUrl("dc=b")),
        ("ldap:///dc=b????e-bindname=cn%3dx", LdapUrl("dc=b")),
    ],
)
def test_urls(text: str, url: LdapUrl) -> None:
    assert is_url(text)
    assert parse_url(text) == url


@pytest.mark.parametrize("text", ["ldap:///dc=b??all", "ldap:///dc=b????!x", "cn=a", "http://h/x"])
def test_no_urls(text: str) -> None:
    with pytest.raises(ValueError):
        parse_url(text)
