"""Delivery into a real Dovecot by LMTP."""

import smtplib
from collections.abc import Callable

import pytest

from tests.integration.dovecot import Dovecot
from tests.integration.system import System

Make = Callable[..., System]


def _gatepost(system: Make, dovecot: Dovecot, over: str) -> System:
    next_hop = f"unix:{dovecot.socket}" if over == "unix" else f"inet:127.0.0.1:{dovecot.port}"
    return system(f"virtual_mailbox_domains = example.org, example.test\nvirtual_transport = lmtp:{next_hop}\n").start()


@pytest.mark.parametrize("over", ["unix", "inet"])
def test_one_of_three_is_refused(system: Make, dovecot: Dovecot, over: str) -> None:
    """LMTP (RFC 2033) answers for each recipient; the refused one bounces, the others have the same octets."""
    gatepost = _gatepost(system, dovecot, over)
    body = b"".join(b"line %d \xe4\xf6 .\r\n.%d\r\n" % (number, number) for number in range(200))
    recipients = ["anna@example.org", "nobody-there@example.org", "berta+tag@example.org"]
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        client.sendmail("a@example.com", recipients, b"Subject: three by %s\r\n\r\n" % over.encode() + body, ["BODY=8BITMIME"])
    gatepost.logged("to=<nobody-there@example.org>", "status=bounced", "550 5.1.1")
    gatepost.logged("to=<anna@example.org>", "status=sent", "Saved")
    gatepost.logged("to=<berta+tag@example.org>", "status=sent", "Saved")
    for user in ("anna", "berta"):
        assert dovecot.arrival(user, b"Subject: three by " + over.encode()).endswith(b"\n\n" + body.replace(b"\r\n", b"\n"))


def test_over_quota(system: Make, dovecot: Dovecot) -> None:
    gatepost = _gatepost(system, dovecot, "unix")
    big = "Subject: heavy\r\n\r\n" + ("x" * 70 + "\r\n") * 30000
    gatepost.send(big, to="carl@example.org")
    line = gatepost.logged("to=<carl@example.org>")
    assert "status=bounced" in line and "552 5.2.2" in line


def test_away(system: Make) -> None:
    """A socket that nobody serves defers."""
    gatepost = system("virtual_transport = lmtp:unix:/nonexistent/lmtp\n").start()
    gatepost.send()
    assert "/nonexistent/lmtp" in gatepost.logged("to=<b@example.test>", "status=deferred")
