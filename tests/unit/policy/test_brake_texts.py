"""What is said when a login is blocked: hostile logins stay words."""

import getopt
import shlex

import pytest

from gatepost.policy.brake import texts


@pytest.mark.parametrize("login", ["x'; rm -rf / #@example.com", "-rf", "--lift", "$(reboot)@example.com"])
def test_commands_can_be_copied_whatever_the_login_is(login: str) -> None:
    lines = [line.strip() for line in texts.to_postmaster(login, "why").splitlines() if line.startswith("    gatepost ")]
    assert len(lines) == 3
    for line in lines:
        options, operands = getopt.gnu_getopt(shlex.split(line)[2:], "c:", ["lift"])
        assert operands[1:] == [login]
        assert options in ([], [("--lift", "")])


@pytest.mark.parametrize(
    ("login", "is_one"),
    [
        ("anna@example.com", True), ("anna", False), ("anna@localhost", False), ("a b@example.com", False), ("a@b@c.de", False),
        ('"a"@example.com', False), ("a@example.com,b@example.com", False), ("a" * 65 + "@example.com", False),
        ("a@" + "b." * 200 + "com", False), ("a@example.com\n", False),
    ],
)  # fmt: skip
def test_an_address_is_a_plain_one(login: str, is_one: bool) -> None:
    assert texts.is_address(login) is is_one


def test_the_subject_is_ascii_and_short() -> None:
    assert texts.subject("\u00e4" * 300).isascii()
    assert len(texts.subject("\u00e4" * 300)) < 130
