"""Class 21 for the brake for stolen passwords: what a login makes us remember and do has bounds, however much it sends."""

import smtplib
from collections.abc import Iterator

import pytest

from tests.integration.submitters import MAIN, submission, xclient
from tests.integration.system import System

_PEOPLE = 900


@pytest.fixture
def dry() -> Iterator[System]:
    """A Gatepost that holds nothing, so that a thief may go on."""
    with System(
        MAIN + "submission_new_recipient_day_limit = 1\nsubmission_new_network_day_limit = 1\nsubmission_limit_action = warn\n"
        "virtual_transport = discard\n"
    ) as one:
        yield one


def _burst(client: smtplib.SMTP, number: int) -> None:
    people = "".join(f"RCPT TO:<r{number}.{one}@example.test>\r\n" for one in range(_PEOPLE))
    client.send(f"MAIL FROM:<a@example.com>\r\n{people}DATA\r\n")
    assert [client.getreply()[0] for _ in range(_PEOPLE + 2)] == [250] * (_PEOPLE + 1) + [354]
    client.send("Subject: burst\r\n\r\nbody\r\n.\r\n")
    assert client.getreply()[0] == 250


def test_thousands_of_recipients_and_networks(dry: System) -> None:
    for number in range(7):
        with xclient(dry, "thief@example.com", f"10.1.{number}.1") as client:
            _burst(client, number)
    for number in range(40):
        with xclient(dry, "thief@example.com", f"10.2.{number}.1") as client:
            client.sendmail("a@example.com", ["b@example.test"], "Subject: one\r\n\r\nbody\r\n")
    told = submission(dry, "show", "thief@example.com").splitlines()
    assert "    recipients it has written to: 4000" in told
    assert sum(line.startswith("    from 10.") for line in told) == 32
    assert any(line.split() == ["recipients", *[str(7 * _PEOPLE + 40)] * 2] for line in told)
    dry.logged("would be held", f"{7 * _PEOPLE} new recipients in a day")


def test_a_hundred_logins(dry: System) -> None:
    """Each has a record of its own, and `list` shows them all."""
    for number in range(100):
        with xclient(dry, f"user{number}@example.com") as client:
            client.sendmail("a@example.com", ["b@example.test"], "Subject: one\r\n\r\nbody\r\n")
    assert len(submission(dry, "list", "--all").splitlines()) == 101
    assert submission(dry, "list") == ""
