"""`gatepost user` as an administrator calls it."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost.auth.backends.user_file import parse, verdict
from gatepost.proto.sasl.port import Accepted


def _configured(path: Path) -> list[str]:
    """The command, with a file that a main.cf names."""
    (path / "main.cf").write_text(f"mail_owner = nobody\nsmtpd_auth_backends = pam, file:{path}/users\n")
    return ["user", "-c", str(path)]


def _user(path: Path, *words: str, told: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gatepost.cli", *_configured(path), *words]
    return subprocess.run(command, input=told, capture_output=True, text=True, timeout=60)


def test_from_a_new_user_to_none(tmp_path: Path) -> None:
    assert _user(tmp_path, "add", "anna@example.com", told="secret of anna\n").returncode == 0
    made = _user(tmp_path, "app-password", "anna@example.com", "phone")
    assert made.returncode == 0
    users = parse((tmp_path / "users").read_text())
    assert verdict(users, "anna@example.com", b"secret of anna") == Accepted("anna@example.com")
    assert verdict(users, "anna@example.com", made.stdout.strip().encode()) == Accepted("anna@example.com")
    assert "secret of anna" not in (tmp_path / "users").read_text()
    assert _user(tmp_path, "list").stdout == "anna@example.com\n"
    assert _user(tmp_path, "list", "anna@example.com").stdout == "phone\n"
    assert _user(tmp_path, "app-password", "--revoke", "anna@example.com", "phone").returncode == 0
    assert _user(tmp_path, "list", "anna@example.com").stdout == ""
    assert _user(tmp_path, "delete", "anna@example.com").returncode == 0
    assert _user(tmp_path, "list").stdout == ""


def test_scram_keys(tmp_path: Path) -> None:
    def lacking() -> str:
        return _user(tmp_path, "list", "--no-scram").stdout

    _user(tmp_path, "add", "anna", told="a\n")
    _user(tmp_path, "add", "ben", told="b\n")
    token = _user(tmp_path, "app-password", "anna", "phone").stdout.strip()
    assert lacking() == "anna\nben\n"
    _user(tmp_path, "passwd", "--scram", "anna", told="a2\n")
    assert lacking() == "ben\n"
    _user(tmp_path, "passwd", "--scram", "ben", told="b2\n")
    assert lacking() == ""
    _user(tmp_path, "passwd", "ben", told="b3\n")
    _user(tmp_path, "add", "carl", told="c\n")
    assert lacking() == ""
    users = parse((tmp_path / "users").read_text())
    assert users.forms and not users.faults
    for login, password in (("anna", b"a2"), ("anna", token.encode()), ("ben", b"b3"), ("carl", b"c")):
        assert verdict(users, login, password) == Accepted(login)
    _user(tmp_path, "passwd", "--no-scram", "carl", told="c2\n")
    assert lacking() == "carl\n"


@pytest.mark.parametrize(
    ("words", "told", "status", "why"),
    [
        (("add", "a:b"), "secret\n", 1, "colon"),
        (("add", "anna"), "", 1, "empty"),
        (("passwd", "nobody"), "secret\n", 1, "there is no user nobody"),
        (("delete", "nobody"), "", 1, "no such file"),
        (("list",), "", 1, "no such file"),
        (("add", "anna", "secret"), "", 64, "usage"),  # never in argv
        (("frobnicate",), "", 64, "usage"),
        (("delete", "--revoke", "anna"), "", 64, "usage"),
        (("add", "--scram", "--no-scram", "anna"), "", 64, "usage"),
        (("app-password", "--no-scram", "anna", "phone"), "", 64, "usage"),
        ((), "", 64, "usage"),
    ],
)
def test_what_is_refused(tmp_path: Path, words: tuple[str, ...], told: str, status: int, why: str) -> None:
    ended = _user(tmp_path, *words, told=told)
    assert ended.returncode == status
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "users").exists()


def test_a_terminal_shows_no_password(tmp_path: Path) -> None:
    leader, terminal = pty.openpty()
    command = [sys.executable, "-m", "gatepost.cli", *_configured(tmp_path), "add", "anna"]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    shown = b""
    for prompt in (b"anna: ", b"Again: "):
        while prompt not in shown:
            shown += os.read(leader, 1024)
        os.write(leader, b"hidden-word\n")
    assert process.wait(60) == 0
    with pytest.raises(OSError, match="Input/output"):  # the end, of a terminal
        while True:
            shown += os.read(leader, 1024)
    os.close(leader)
    assert b"hidden-word" not in shown
    assert verdict(parse((tmp_path / "users").read_text()), "anna", b"hidden-word") == Accepted("anna")


def test_without_a_file_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("mail_owner = nobody\n")
    command = [sys.executable, "-m", "gatepost.cli", "user", "-c", str(tmp_path), "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "write smtpd_auth_backends = file:/etc/postfix/users into main.cf" in done.stderr
