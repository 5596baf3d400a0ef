"""Mail through the filter's gate and our own scanner: spam is refused while its client waits, and the log says why."""

import smtplib

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

RULES = "header LOUD Subject =~ /LOUD/\nscore LOUD 10\n"


def test_spam_is_refused_and_other_mail_passes() -> None:
    with Sink() as sink:
        system = System({"filter_before_queue": "yes", "filter_rules_directories": "{dir}/rules"}, relay=sink.port)
        (system.folder / "rules").mkdir()
        (system.folder / "rules" / "local.cf").write_text(RULES)
        with system:
            assert system.send("X-Id: 1\r\nSubject: quiet\r\n\r\nbody\r\n")
            with smtplib.SMTP("127.0.0.1", system.port, timeout=20) as client, pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("a@example.com", ["b@example.net"], "Subject: LOUD\r\n\r\nbody\r\n")
            assert refused.value.smtp_code == 554
            assert b"LOUD" not in refused.value.smtp_error
            system.logged("Blocked SPAM")
            assert "LOUD=10" in system.log()
            wait_for(lambda: sink.ids() == {"1": 1}, "the other message")
