"""Gates in the running service: all mail passes those of its service, whichever of the eight ways it comes in by."""

import smtplib
import sys

import pytest

from tests.support import gated
from tests.support.running import MASTER, System, wait_for
from tests.support.sink import Sink

_PREFIX = (sys.executable, gated.__file__)
_MAIN = {
    "mydestination": "local.test",
    "local_recipient_maps": "",
    "alias_maps": "inline:{{forward=c@example.net}}",
    "virtual_alias_maps": "inline:{{list@example.test=d@example.net}}",
    "virtual_alias_domains": "example.test",
    "transport_maps": "inline:{{gone@example.net=error:5.1.1 no}}",
    "smtpd_recipient_restrictions": "check_recipient_access inline:{{held@example.net=HOLD}}, permit_mynetworks, reject",
    "smtpd_reject_unlisted_recipient": "no",
    "notify_classes": "protocol",
    "error_notice_recipient": "postmaster@example.net",
}
_MASTER = MASTER + "127.0.0.1:{second} inet n - n - - lmtpd\n"

SESSION = b"X-Passed: MAIL RCPT DATA END-OF-DATA END-OF-HEADERS END-OF-MESSAGE\r\n"
"""What CONNECT and HELO found out of a message that there was not yet is forgotten."""
SHOWN = b"X-Passed: CONNECT HELO MAIL RCPT DATA END-OF-HEADERS END-OF-MESSAGE\r\n"
NOTHING = b""


def message(name: str) -> str:
    return f"Subject: {name}\r\n\r\nbody\r\n"


def smtp(system: System) -> None:
    assert system.send(message("by smtp"))


def lmtp(system: System) -> None:
    with smtplib.LMTP("127.0.0.1", system.second, timeout=20) as client:
        client.sendmail("a@example.com", ["b@example.net"], message("by lmtp"))


def pickup(system: System) -> None:
    done = system.command("sendmail", "-f", "a@example.com", "b@example.net", input="Subject: by pickup\n\nbody\n")
    assert done.returncode == 0, done.stderr


def requeue(system: System) -> None:
    assert system.send(message("requeued"), to="held@example.net")
    wait_for(system.queue, "a message on hold")
    assert system.command("postsuper", "-r", "ALL").returncode == 0
    assert system.command("postqueue", "-f").returncode == 0


def bounce(system: System) -> None:
    assert system.send(message("gone"), to="gone@example.net")


def notice(system: System) -> None:
    with system.client() as client:
        client.say("MAIL nonsense")
        client.say("QUIT")


def forward(system: System) -> None:
    assert system.send(message("forwarded"), to="forward@local.test")


def expansion(system: System) -> None:
    with smtplib.SMTP("127.0.0.1", system.port, timeout=20) as client:
        client.sendmail("a@example.com", ["list@example.test"], message("listed"), rcpt_options=["NOTIFY=SUCCESS"])


ENTRIES = {
    "SMTP": (smtp, b"Subject: by smtp", SESSION),
    "LMTP": (lmtp, b"Subject: by lmtp", SESSION),
    "pickup": (pickup, b"Subject: by pickup", SHOWN),
    "requeue": (requeue, b"Subject: requeued", SHOWN),
    "bounce": (bounce, b"Subject: Undelivered Mail Returned to Sender", SHOWN),
    "notice": (notice, b"Subject: Postfix SMTP server: errors from", SHOWN),
    "forward": (forward, b"Subject: forwarded", NOTHING),
    "expansion notice": (expansion, b"Subject: Successful Mail Delivery Report", SHOWN),
}
OWN = ("bounce", "notice", "expansion notice")
"""What the mail system writes itself: it passes gates only where internal_mail_filter_classes names its class."""


def passed(content: bytes) -> bytes:
    """The last header of the gate: that of the last way in."""
    head = content.partition(b"\r\n\r\n")[0] + b"\r\n"
    return b"".join(line + b"\r\n" for line in head.split(b"\r\n") if line.startswith(b"X-Passed: "))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("classes", ["", "bounce, notify"])
def test_each_way_in_passes_the_gates_of_its_service(entry: str, classes: str) -> None:
    hand_in, subject, expected = ENTRIES[entry]
    if entry in OWN and not classes:
        expected = NOTHING
    main = {**_MAIN, "internal_mail_filter_classes": classes}
    with Sink() as sink, System(relay=sink.port, main=main, master=_MASTER, prefix=_PREFIX) as system:
        hand_in(system)
        content = wait_for(lambda: next((one.content for one in sink.taken if subject in one.content), b""), "the message")
    before = SESSION if entry in ("requeue", "forward") else b""  # it has come by SMTP before
    assert passed(content) == before + expected


STAGES = ("HELO", "MAIL", "RCPT", "DATA", "END-OF-DATA", "END-OF-HEADERS", "END-OF-MESSAGE")


def replies(system: System) -> list[tuple[int, str]]:
    """The refusals of one message, sent command after command."""
    with system.client() as client:
        heard = [client.greeting]
        for line in ("EHLO x.test", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "DATA", "Subject: x\r\n\r\nbody\r\n."):
            if line.startswith("Subject") and heard[-1][0] != 354:
                break
            heard.append(client.say(line))
    return [reply for reply in heard if reply[0] >= 400]


@pytest.mark.parametrize("at", STAGES)
def test_a_gate_refuses_and_breaks_at_every_stage(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for action, reply in (
        ("refuse", (550, "5.7.1 the gate says no")),
        ("raise", (451, "4.7.1 Service unavailable - try again later")),
        ("hang", (451, "4.7.1 Service unavailable - try again later")),
    ):
        monkeypatch.setenv("GATED", f"{at} {action}")
        system = System({**_MAIN, "smtpd_helo_required": "yes"}, _MASTER, prefix=_PREFIX)
        try:
            system.start()
            assert replies(system)[0] == reply
            assert not system.queue()
            if action == "raise":
                system.logged("panic: ZeroDivisionError: on purpose (gated.py:")
                system.logged(": gate telling: tempfail")
        finally:
            system.stop()
