"""postfix(1): what its exit status says of a configuration."""

import os
import pwd
from pathlib import Path

import pytest

from gatepost.cli.postfix import check


@pytest.mark.parametrize(
    ("main", "status", "told"),
    [
        ("", 0, ""),
        ("biff = no\nnobody_uses_this = 1\n", 0, "warning"),
        ("smtpd_recipient_restrictions = no_such_restriction\n", 1, "fatal"),
        ("gatepost_accept_missing = no_such_restriction\nsmtpd_recipient_restrictions = no_such_restriction\n", 1, "warning"),
        ("smtpd_timeout = soon\n", 1, "fatal"),
    ],
)
def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str], main: str, status: int, told: str) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name  # a fresh machine has no user postfix
    (tmp_path / "main.cf").write_text(f"compatibility_level = 3.6\nmyhostname = mail.test\nmail_owner = {user}\n{main}")
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    assert check(tmp_path) == status
    assert f": {told}: " in capsys.readouterr().err if told else True
