"""Open relay: no spelling of a foreign recipient, and no claim of a client about itself, makes a stranger's mail leave."""

from collections.abc import Iterator

import pytest

from tests.support.running import Client, System
from tests.support.sink import Sink

SPELLINGS = [
    "<victim@foreign.example>",
    "victim@foreign.example",
    "<victim%foreign.example@mail.example.test>",
    "<victim%foreign.example@local.example>",
    "<victim%foreign.example>",
    "<victim%foreign.example@[127.0.0.1]>",
    "<victim%foreign.example@localhost>",
    '<"victim%foreign.example">',
    '<"victim%foreign.example"@local.example>',
    '<"victim@foreign.example">',
    '<"victim@foreign.example"@local.example>',
    '<"victim@foreign.example"@mail.example.test>',
    '<"victim@foreign.example"@[127.0.0.1]>',
    '<"@relay.example:victim"@foreign.example>',
    "<victim@foreign.example@local.example>",
    "<victim@foreign.example@mail.example.test>",
    "<victim@local.example@foreign.example>",
    "<@local.example:victim@foreign.example>",
    "<@mail.example.test:victim@foreign.example>",
    "<@[127.0.0.1]:victim@foreign.example>",
    "<@local.example,@mail.example.test:victim@foreign.example>",
    "<@foreign.example:victim@foreign.example>",
    "<@:victim@foreign.example>",
    "<foreign.example!victim>",
    "<foreign.example!victim@local.example>",
    "<foreign.example!victim@mail.example.test>",
    "<foreign.example!victim@[127.0.0.1]>",
    "<local.example!foreign.example!victim>",
    "<mail.example.test!foreign.example!victim@mail.example.test>",
    '<"foreign.example!victim"@local.example>',
    "<foreign.example!victim%other.example@local.example>",
    "<victim@foreign.example.>",
    "<victim@foreign.example..>",
    "<victim@.foreign.example>",
    "<victim@[192.0.2.1]>",
    "<victim@[IPv6:2001:db8::1]>",
    "<victim@192.0.2.1>",
    "<victim@#3221225985>",
    "<victim@foreign.example,mail.example.test>",
    "<victim@foreign.example mail.example.test>",
    "<victim@foreign.example(@local.example)>",
    "<victim(local.example)@foreign.example>",
    "<victim@local.example.foreign.example>",
    "<victim@foreign.example\\@local.example>",
    "<victim\\@foreign.example@local.example>",
    "<victim+@foreign.example@local.example>",
    "<victim:@foreign.example>",
    "<<victim@foreign.example>>",
    "< victim@foreign.example >",
    "<victim@foreign.example> SIZE=1",
    "<VICTIM@FOREIGN.EXAMPLE>",
]


_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd -o smtpd_authorized_xclient_hosts=127.0.0.0/8
127.0.0.1:{second} inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy
"""
_MAIN = {
    "mynetworks": "10.0.0.0/8",
    "mydestination": "$myhostname, localhost",
    "virtual_alias_domains": "local.example",
    "virtual_alias_maps": "inline:{ known@local.example=known@mail.example.test }",
    "local_recipient_maps": "",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    "smtpd_delay_reject": "yes",
    "smtpd_hard_error_limit": "1000",
    "smtpd_soft_error_limit": "1000",
    "smtpd_error_sleep_time": "0",
    "smtpd_forbid_unauth_pipelining": "no",
}


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    with System(_MAIN, _MASTER, relay=sink.port) as one:
        yield one


def _plain(system: System) -> Client:
    client = system.client()
    client.say("EHLO stranger.example")
    return client


def _xclient(system: System) -> Client:
    """Past a proxy that vouches for an address of ours written as IPv6; it is the address that counts, mapped or not."""
    client = _plain(system)
    assert client.say("XCLIENT ADDR=IPV6:::ffff:192.0.2.9 NAME=localhost HELO=localhost")[0] in (220, 501)
    client.say("EHLO localhost")
    return client


def _forged_login(system: System) -> Client:
    client = _plain(system)
    client.say("AUTH PLAIN AGFkbWluAGFkbWlu")
    return client


def _forged_helo(system: System) -> Client:
    client = system.client()
    client.say("EHLO [10.0.0.1]")
    return client


def _proxied(system: System) -> Client:
    """The header of a proxy that names a stranger."""
    import socket

    client = Client.__new__(Client)
    client.socket = socket.create_connection(("127.0.0.1", system.second), 10)
    client.socket.sendall(b"PROXY TCP4 192.0.2.9 10.0.0.1 1000 25\r\n")
    client._file = client.socket.makefile("rb")
    client.greeting = client.reply()
    client.say("EHLO stranger.example")
    return client


POSITIONS = {
    "plain": _plain,
    "by XCLIENT": _xclient,
    "forged login": _forged_login,
    "forged HELO": _forged_helo,
    "by PROXY": _proxied,
}


@pytest.mark.parametrize("sender", ["<a@example.com>", "<>", "<postmaster@local.example>"])
@pytest.mark.parametrize("position", POSITIONS)
def test_every_spelling_is_refused(system: System, sink: Sink, position: str, sender: str) -> None:
    with POSITIONS[position](system) as client:
        taken = []
        for spelling in SPELLINGS:
            assert client.say(f"MAIL FROM:{sender}")[0] == 250
            code, text = client.say(f"RCPT TO:{spelling}")
            assert code, spelling
            if code // 100 != 5:
                taken.append((spelling, code, text))
            client.say("RSET")
        assert not taken
        client.say("QUIT")
    assert not sink.taken


def test_what_is_ours_is_taken(system: System) -> None:
    with _plain(system) as client:
        assert client.say("MAIL FROM:<a@example.com>")[0] == 250
        assert client.say("RCPT TO:<known@local.example>")[0] == 250


def test_an_untrusted_proxy_header_is_no_command(system: System) -> None:
    with system.client() as client:
        code, _ = client.say("PROXY TCP4 10.0.0.1 10.0.0.1 1000 25")
        assert code // 100 in (2, 5)
        client.say("EHLO x.example")
        client.say("MAIL FROM:<a@example.com>")
        assert client.say("RCPT TO:<victim@foreign.example>")[0] // 100 == 5


ODD_LISTS = {
    "port": ("[fe80::1]/10 [2001:db8::/64] 10.0.0.0/8", 554),
    "second": ("10.0.0.0/8 # 127.0.0.1 was ours once", 554),
    "third": ('"127.0.0.0/8" 127.0.0.* 127.0.0.0-127.0.0.9 [127.0.0.1', 554),
    "fourth": ("! 127.0.0.0/8 127.0.0.1", 451),
}


def test_an_odd_member_of_mynetworks_lets_nobody_in_and_defers_nobody_else(sink: Sink) -> None:
    line = "127.0.0.1:{{{}}} inet n - n - - smtpd -o {{ mynetworks = {} }}\n"
    master = "".join(line.format(port, value) for port, (value, _) in ODD_LISTS.items())
    with System(_MAIN, master, relay=sink.port) as system:
        for port, (_, code) in ODD_LISTS.items():
            with system.client(port=getattr(system, port)) as client:
                client.say("EHLO stranger.example")
                client.say("MAIL FROM:<a@example.com>")
                assert client.say("RCPT TO:<victim@foreign.example>")[0] == code
                assert client.say("RCPT TO:<known@local.example>")[0] == (250 if code == 554 else 451)
    assert not sink.taken
