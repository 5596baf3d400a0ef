"""Class 19, backscatter: spam with a forged sender becomes no mail to him, whichever way it comes and whatever its destiny."""

import smtplib
from collections.abc import Iterator
from importlib.resources import files
from itertools import product

import pytest

from gatepost.filter import rules
from tests.integration.spamd import GTUBE, spamd
from tests.support.running import System
from tests.support.sink import Sink

VICTIM = "victim@elsewhere.example"
MASTER = "127.0.0.1:{port} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\n"
WANTED = "inline:{ { lover@ours.example = yes } }"
MAIN = {
    "filter_before_queue": "yes",
    "filter_rules_directories": str(files(rules) / "default"),
    "relay_domains": "ours.example",
    "filter_spam_lovers_maps": WANTED,
    "notify_classes": "bounce, 2bounce, policy, software, resource",
    "error_notice_recipient": "boss@ours.example",
    "bounce_notice_recipient": "boss@ours.example",
}
NOTIFY = "NOTIFY=SUCCESS,FAILURE,DELAY"


@pytest.fixture(scope="module")
def scanner() -> Iterator[int]:
    with spamd() as port:
        yield port


@pytest.mark.parametrize("destiny", ["reject", "bounce", "discard", "quarantine"])
def test_no_message_goes_to_who_is_said_to_be_the_sender(scanner: int, destiny: str) -> None:
    main = {**MAIN, "filter_spam_scanner": f"spamd:127.0.0.1:{scanner}", "filter_spam_destiny": destiny}
    with Sink() as sink, System(main, MASTER, relay=sink.port) as system:
        text = f"From: {VICTIM}\r\nErrors-To: {VICTIM}\r\nReturn-Receipt-To: {VICTIM}\r\nSubject: x\r\n\r\n{GTUBE}\r\n"
        for to, notify in product((["anna@ours.example"], ["anna@ours.example", "lover@ours.example"]), ("", NOTIFY)):
            with smtplib.SMTP("127.0.0.1", system.port, timeout=60) as client:
                client.ehlo("client.example")
                client.mail(VICTIM)
                for recipient in to:
                    assert client.docmd("RCPT", f"TO:<{recipient}> {notify}".strip())[0] == 250
                refused = client.data(text)[0] == 554
            assert refused == (destiny in ("reject", "bounce") and len(to) == 1)
        assert system.command("sendmail", "-f", VICTIM, "-N", "failure,delay", "anna@ours.example", input=text).returncode == 0
        system.logged("filter[", "Blocked SPAM {", f", <{VICTIM}> -> <anna@ours.example>", "Inbound}, <")
        assert system.send(to="anna@ours.example")
        system.logged("to=<anna@ours.example>", "status=sent")
        for taken in sink.taken:
            if VICTIM.encode() in b"".join(taken.recipients):  # a notice of success, which the client has asked for
                assert b"lover@ours.example" in taken.content
                assert b"anna@ours.example" not in taken.content
        assert system.audit().returncode == 0
