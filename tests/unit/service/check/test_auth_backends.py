"""What `gatepost check` finds in smtpd_auth_backends, with file and line."""

from pathlib import Path

import pytest
from tests.unit.service.check.test_configuration_check import told


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("passwd", "unknown back end passwd: write saslauthd, pam, ldap:NAME"),
        ("pam:smtp", "unknown back end pam:smtp"),
        ("ldap", "unknown back end ldap:"),
        ("file:", "unknown back end file:"),
        ("file:users", "file:users: a full pathname is needed"),
        ("file:/nonexistent/users", "file:/nonexistent/users: No such file or directory: make it by `gatepost user add`"),
        ("sql:/nonexistent.cf", "sql:/nonexistent.cf: open /nonexistent.cf: No such file or directory"),
        ("ldap:staff", "ldap:staff: ldap:staff: search_base is not set"),
        ("oauth:id.cf", "oauth:id.cf: a full pathname is needed"),
        ("oauth:/nonexistent.cf", "oauth:/nonexistent.cf: open /nonexistent.cf: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(tmp_path: Path, word: str, text: str) -> None:
    found = told(tmp_path, f"smtpd_auth_backends = {word}\n")
    assert any(said.startswith(f"smtpd_auth_backends: {text}") and (file, line) == ("main.cf", 3) for file, line, said in found), (
        found
    )


def test_a_user_file(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("anna:{PLAIN}secret\nben:secret\n")
    users.chmod(0o644)
    texts = [said for _, _, said in told(tmp_path, f"smtpd_auth_backends = file:{users}\n")]
    assert any(f"{users}, line 2: no scheme" in text for text in texts)
    assert any("everybody on this machine has access" in text for text in texts)
    assert not any("secret" in text for text in texts)
    users.write_text("anna:{PLAIN}secret\n")
    users.chmod(0o640)
    assert told(tmp_path, f"smtpd_auth_backends = file:{users}\n") == []


def test_pam_without_a_file_of_its_own_is_everybodys(tmp_path: Path) -> None:
    texts = [said for _, _, said in told(tmp_path, "smtpd_auth_backends = pam\nsmtpd_sasl_service = gatepost-no-such-service\n")]
    assert any("PAM asks the service `other`" in text for text in texts)
