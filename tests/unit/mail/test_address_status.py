"""Statuses about addresses, in replies about a sender, a recipient, and what is no address."""

import pytest

from gatepost.mail.address_status import fitting


@pytest.mark.parametrize(
    ("status", "sender", "recipient", "host"),
    [
        ("5.1.0", "5.1.0", "5.1.0", "5.0.0"),
        ("5.1.1", "5.1.7", "5.1.1", "5.0.0"),
        ("4.1.2", "4.1.8", "4.1.2", "4.0.0"),
        ("5.1.3", "5.1.7", "5.1.3", "5.0.0"),
        ("5.1.5", "5.1.0", "5.1.5", "5.0.0"),
        ("5.1.7", "5.1.7", "5.1.3", "5.0.0"),
        ("4.1.8", "4.1.8", "4.1.2", "4.0.0"),
        ("5.1.10", "5.1.0", "5.1.0", "5.0.0"),
        ("5.7.1", "5.7.1", "5.7.1", "5.7.1"),
        ("4.11.1", "4.11.1", "4.11.1", "4.11.1"),
    ],
)
def test_a_status_fits_what_the_reply_is_about(status: str, sender: str, recipient: str, host: str) -> None:
    kinds = ("Sender address", "Recipient address", "Client host")
    assert tuple(fitting(status, kind) for kind in kinds) == (sender, recipient, host)
