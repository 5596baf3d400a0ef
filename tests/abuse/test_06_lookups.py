"""Class 6: addresses that would be filters or names of a directory. What a sender writes matches itself and nothing else: no other
entry is found by it, no server counts as failing for it, and the next client is answered as ever."""

import socket
from collections.abc import Iterator

import pytest

from tests.integration.slapd import BASE, Slapd, person
from tests.support.running import System, wait_for

_MAIN = {
    "virtual_alias_domains": "example.test",
    "virtual_alias_maps": "ldap:aliases, ldap:names",
    "smtpd_recipient_restrictions": "permit_mynetworks, reject",
    "smtpd_reject_unlisted_recipient": "yes",
    "smtpd_hard_error_limit": "1000",
    "smtpd_soft_error_limit": "1000",
    "smtpd_junk_command_limit": "1000",
    "smtputf8_autodetect_classes": "all",
    "aliases_search_base": BASE,
    "aliases_query_filter": "(&(objectClass=mailUser)(mailacceptinggeneralid=%s)(!(cn=secret)))",
    "names_search_base": f"cn=%u,{BASE}",
    "names_scope": "base",
    "names_query_filter": "(maildrop=*%d)",
}
_HOSTILE = (
    "*", "a*", "an*a", "*)(cn=secret", "anna)(cn=*", "anna)(|(cn=*", "anna)))(cn=secret", "\\2a", "\\", "\\\\", "anna\\00",
    "(", ")", "()", "&", "|", "!", "anna,dc=x", "cn=anna", "secret,cn=anna", "anna+cn=secret", "#616e6e61", "#", "%s", "%u@%d",
    "%%", "%1", "$1", "${x}", "ldap:///??sub?(cn=*)", "anna@x", "<", ">", '"', "'", ";", "anna;binary", "a" * 60, "ü", "*ü",
    "\u2028", "x:caseExactMatch:=y", "anna:=", " ",
)  # fmt: skip


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    one = Slapd([
        person("anna", mailacceptinggeneralid=["anna@example.test"], maildrop=["anna@store.test"]),
        person("secret", mailacceptinggeneralid=["secret@example.test"], maildrop=["secret@store.test"]),
    ])  # fmt: skip
    yield one
    one.clean()


@pytest.fixture(scope="module")
def gatepost(slapd: Slapd) -> Iterator[System]:
    hosts = {f"{table}_server_host": slapd.url for table in ("aliases", "names")}
    with System({**_MAIN, **hosts}) as one:
        yield one


def _quoted(local: str) -> bytes:
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@example.test'.encode()


def test_an_address_matches_itself_and_nothing_else(gatepost: System) -> None:
    with socket.create_connection(("127.0.0.1", gatepost.port), 60) as connection:
        lines = connection.makefile("rb")

        def say(line: bytes) -> bytes:
            connection.sendall(line + b"\r\n")
            while (reply := lines.readline())[3:4] == b"-":
                pass
            return reply

        lines.readline()
        say(b"EHLO client.example.com")
        for local in _HOSTILE:
            say(b"RSET")
            say(b"MAIL FROM:<a@example.net> SMTPUTF8")
            reply = say(b"RCPT TO:<" + _quoted(local) + b">")
            assert reply[:3] in (b"550", b"554", b"501", b"553"), (local, reply)
        say(b"RSET")
        say(b"MAIL FROM:<a@example.net>")
        assert say(b"RCPT TO:<anna@example.test>").startswith(b"250")
    log = gatepost.log()
    assert "lookup error" not in log
    assert "counts as away" not in log
    assert "Search error" not in log
    assert "panic" not in log


def test_long_and_broken_text(gatepost: System) -> None:
    """Text that no directory could know is not asked about."""
    with socket.create_connection(("127.0.0.1", gatepost.port), 60) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(b"HELO client.example.com\r\nMAIL FROM:<a@example.net>\r\n")
        lines.readline(), lines.readline()
        for address in (b'"\xff\xfe"@example.test', b'"a\x01b"@example.test', b"a" * 500 + b"@example.test"):
            connection.sendall(b"RCPT TO:<" + address + b">\r\n")
            assert lines.readline()[:1] == b"5", address
    wait_for(lambda: "disconnect" in gatepost.log(), "the end of the session")
    assert "panic" not in gatepost.log()
