"""Whether mail needs SMTPUTF8, where its source does not say."""

import pytest

from gatepost.admission.smtputf8 import detecting, is_needed
from gatepost.mail.envelope import Recipient


@pytest.mark.parametrize(
    ("classes", "enabled", "origins"),
    [
        ("sendmail, verify", True, {"pickup"}),
        ("Sendmail", True, {"pickup"}),
        ("sendmail", False, set()),
        ("", True, set()),
        ("all", True, {"pickup", "smtpd", "local", "bounce", "notify"}),
        ("bounce\tsmtpd, nonsense", True, {"bounce", "smtpd"}),
        ("smtpd\u00a0bounce", True, set()),
    ],
)
def test_whose_mail_is_looked_at(classes: str, enabled: bool, origins: set[str]) -> None:
    assert detecting(classes, enabled=enabled) == origins


@pytest.mark.parametrize(
    ("sender", "recipient", "head", "needed"),
    [
        ("a@x.test", "b@y.test", b"Subject: x", False),
        ("\u00e9@x.test", "b@y.test", b"", True),
        ("a@x.test", "b@\u00e9.test", b"", True),
        ("a@x.test", "b@y.test", "Subject: \u00e9".encode(), True),
        ("a@x.test", "b@y.test", b"Subject: \xe9", False),
        ("\udce9@x.test", "b@y.test", b"Subject: x", False),
    ],
)
def test_what_is_beyond_ascii_and_utf8(sender: str, recipient: str, head: bytes, needed: bool) -> None:
    assert is_needed(sender, [Recipient(recipient)], head) is needed
