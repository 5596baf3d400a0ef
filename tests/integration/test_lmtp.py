"""Our LMTP server, and Postfix's lmtp(8) as its client (RFC 2033)."""

import re
import smtplib
from collections.abc import Callable

from tests.integration.postfix import Postfix
from tests.integration.system import System

Make = Callable[..., System]
MakePostfix = Callable[..., Postfix]

_LMTPD = "127.0.0.1:{port} inet n - n - - lmtpd\n"
_PICKY = "smtpd_recipient_restrictions = check_recipient_access inline:{no@example.test=REJECT}, permit\n"


def _lmtp_to(gatepost: System, main: str = "") -> str:
    return f"default_transport = lmtp:inet:127.0.0.1:{gatepost.port}\n{main}"


def _send(postfix: Postfix, subject: str, *to: str) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=20) as client:
        client.sendmail("a@example.com", to, f"Subject: {subject}\r\n\r\nbody\r\n")


def _told(postfix: Postfix, recipient: str) -> str:
    """What was answered for a recipient, without the queue id."""
    line = postfix.logged(f"to=<{recipient}>", "status=")
    found = re.search(r"(status=.*)", line)
    assert found, line
    return re.sub(r"queued as \w+", "queued", found[1])


def test_each_accepted_recipient_has_its_answer(system: Make, postfix: MakePostfix) -> None:
    gatepost = system(_PICKY, _LMTPD).start()
    client = postfix(_lmtp_to(gatepost))
    _send(client, "first", "one@example.test", "no@example.test", "two@example.test", "three@example.test")
    for recipient in ("one@example.test", "two@example.test", "three@example.test"):
        assert _told(client, recipient) == "status=sent (250 2.0.0 Ok: queued)"
    assert _told(client, "no@example.test").startswith(
        "status=bounced (host 127.0.0.1[127.0.0.1] said: 554 5.7.1 <no@example.test>"
    )
    _send(client, "second", "four@example.test")  # perhaps over the same connection: nothing may be left in it
    assert _told(client, "four@example.test") == "status=sent (250 2.0.0 Ok: queued)"
    assert b"with LMTP id" in gatepost.arrival(b"Subject: first")
    gatepost.arrival(b"Subject: second")
    assert not re.search(r"lmtp\[.*lost connection", client.log)


def test_a_refusal_is_said_for_each_recipient(system: Make, postfix: MakePostfix) -> None:
    gatepost = system("header_checks = pcre:{{/^Subject: bad/ REJECT}}\n", _LMTPD).start()
    client = postfix(_lmtp_to(gatepost))
    _send(client, "bad", "one@example.test", "two@example.test")
    for recipient in ("one@example.test", "two@example.test"):
        assert "said: 550 5.7.1 message content rejected (in reply to end of DATA command)" in _told(client, recipient)
    _send(client, "good", "three@example.test")
    assert _told(client, "three@example.test") == "status=sent (250 2.0.0 Ok: queued)"
