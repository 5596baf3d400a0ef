"""How far hops are believed."""

import ipaddress

import pytest

from gatepost.filter.headers.section import section
from gatepost.filter.port import Relays, Session
from gatepost.filter.relays.networks import networks
from gatepost.filter.relays.relays import relays

HOSTS = {"p": "10.0.0.{}", "l": "127.0.0.1", "u": "192.0.2.{}", "a": "198.51.100.{}", "t": "203.0.113.{}", "m": "203.0.113.20{}"}
FETCHED = "Received: from mx.example [192.0.2.99] by localhost with IMAP (fetchmail-6.4) for joe (single-drop); Mon"


def head(hosts: str) -> bytes:
    """A hop a letter: private, loopback, unknown, authenticated, of a trusted network, a submission server; f: fetchmail."""
    lines = []
    for at, letter in enumerate(hosts, 1):
        protocol = "ESMTPSA" if letter == "a" else "ESMTP"
        client = f"h{at}.example (r{at}.example [{HOSTS.get(letter, '').format(at)}])"
        lines.append(
            FETCHED if letter == "f" else f"Received: from {client} by b{at}.example (Postfix) with {protocol} id ABC{at}; Mon"
        )
    return "\n".join([*lines, "Subject: x", "", ""]).encode()


def counts(found: Relays) -> str:
    return f"{len(found.trusted)}{len(found.untrusted)} {len(found.internal)}{len(found.external)}"


TRUSTED = {"trusted_networks": ("203.0.113/24",)}
BOTH = {"trusted_networks": ("203.0.113/24 198.18/15",), "internal_networks": ("198.18/15",)}
SUBMISSION = {**TRUSTED, "msa_networks": ("203.0.113.192/26",)}


@pytest.mark.parametrize(
    ("hosts", "options", "wanted"),
    [
        ("", {}, "00 00"),
        ("p", {}, "10 10"),
        ("u", {}, "01 01"),
        ("plu", {}, "21 21"),
        ("up", {}, "02 02"),
        ("a", {}, "10 10"),
        ("pau", {}, "21 21"),
        ("upa", {}, "03 03"),
        ("p", TRUSTED, "01 01"),
        ("ltu", TRUSTED, "21 21"),
        ("tau", TRUSTED, "21 21"),
        ("tut", TRUSTED, "12 12"),
        ("tu", BOTH, "11 02"),
        ("mu", SUBMISSION, "20 20"),
        ("mup", SUBMISSION, "30 30"),
        ("umu", SUBMISSION, "03 03"),
        ("lfu", {}, "01 01"),
        ("ufu", {}, "02 02"),
    ],
)
def test_hops_are_believed_as_far_as_hosts_vouch_for_them(hosts: str, options: dict[str, tuple[str, ...]], wanted: str) -> None:
    assert counts(relays(section(head(hosts)), Session(), options)) == wanted


def test_a_submission_server_is_marked() -> None:
    found = relays(section(head("mu")), Session(), SUBMISSION)
    assert [(relay.msa, relay.intl) for relay in found.trusted] == [(True, True), (False, True)]


STRANGER = Session(client_address="192.0.2.1", client_name="unknown", helo="[127.0.0.1]")


@pytest.mark.parametrize("forged", ["", "p", "l", "lp", "a", "lfl", "m", "u", "ulp"])
def test_no_line_of_a_stranger_makes_it_trusted(forged: str) -> None:
    """The session knows who hands the message over; what stands in it says nothing of that."""
    found = relays(section(head(forged)), STRANGER, SUBMISSION)
    assert not found.trusted
    assert found.untrusted[0].ip == "192.0.2.1"
    assert (found.untrusted[0].helo, found.untrusted[0].auth) == ("!127.0.0.1!", "")


def test_our_own_line_and_the_session_are_one_hop() -> None:
    found = relays(section(head("u")), Session(client_address="192.0.2.1", helo="said.example", login="joe"), {})
    assert [(relay.helo, relay.by, relay.auth) for relay in found.trusted] == [("said.example", "b1.example", "ESMTPA")]


def test_a_session_without_a_line_stands_before_all() -> None:
    found = relays(section(head("p")), STRANGER, {})
    assert (found.untrusted_line, counts(found)) == (-1, "02 02")


def test_webmail_tells_of_the_hop_before_the_first() -> None:
    headers = section(b"X-Originating-IP: [192.0.2.5, 192.0.2.6]\n" + head("u"))
    found = relays(headers, Session(), {"originating_ip_headers": ("X-Other X-Originating-IP",)})
    assert [relay.ip for relay in found.untrusted] == ["192.0.2.1", "192.0.2.5"]


def test_lines_that_cannot_be_read_are_counted() -> None:
    assert relays(section(b"Received: from nowhere\nReceived: (qmail 1 invoked by uid 2)\n\n"), Session(), {}).unparsed == 1


@pytest.mark.parametrize(
    ("lines", "inside", "outside"),
    [
        (("192.168.",), "192.168.7.7", "192.169.0.1"),
        (("10.0.1/24",), "10.0.1.9", "10.0.2.9"),
        (("!10.0.1.5 10.0.1/24",), "10.0.1.6", "10.0.1.5"),
        (("2001:db8:1::1 !2001:db8:1::/64 2001:db8::/32",), "2001:db8:1::1", "2001:db8:1::2"),
        (("192.0.2.4-192.0.2.9",), "192.0.2.9", "192.0.2.10"),
        (("[2001:db8::7]",), "2001:db8::7", "2001:db8::8"),
        (("192.0.2.1",), "127.0.0.9", "192.0.2.2"),
    ],
)
def test_networks_as_settings_write_them(lines: tuple[str, ...], inside: str, outside: str) -> None:
    found = networks(lines)
    assert ipaddress.ip_address(inside) in found
    assert ipaddress.ip_address(outside) not in found
    assert not found.unread


def test_words_that_are_no_network_are_told_of() -> None:
    assert networks(("10.0.0.0/99 host.example 10.",)).unread == ("10.0.0.0/99", "host.example")
