"""postfix(1): what its exit status says of a configuration."""

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
    accounts = "mail_owner = nobody\ndefault_privs = daemon\n"  # a fresh machine has no user postfix
    places = f"queue_directory = {tmp_path}/spool\ndata_directory = {tmp_path}/data\n"
    (tmp_path / "main.cf").write_text(f"compatibility_level = 3.6\nmyhostname = mail.test\n{accounts}{places}{main}")
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    assert check(tmp_path) == status
    assert f": {told}: " in capsys.readouterr().err if told else True
