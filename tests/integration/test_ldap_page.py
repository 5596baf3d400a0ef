"""docs/ldap-tables.md: its files and commands, run in the order in which they stand there, against two servers."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.slapd import BASE, Slapd, person
from tests.integration.system import System

_PAGE = Path(__file__).parents[2] / "docs" / "ldap-tables.md"
_PRINTS = re.compile(r"^prints `([^`]*)`", re.MULTILINE)
_ENTRIES = [
    person("anna", mailacceptinggeneralid=["anna@example.com"], maildrop=["anna@store.test"]),
    person("berta", mailacceptinggeneralid=["berta@example.com"], maildrop=["berta@store.test"]),
    person("team", mailacceptinggeneralid=["team@example.com"], memberdn=[f"cn=anna,{BASE}", f"cn=berta,{BASE}"]),
]


def blocks() -> list[tuple[str, str, str]]:
    """(language, text, what is said up to the next block) of the page's blocks."""
    pieces = _PAGE.read_text().split("```")
    return [(*piece.split("\n", 1), after) for piece, after in zip(pieces[1::2], pieces[2::2], strict=True)]


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    one = Slapd(_ENTRIES)
    yield one
    one.clean()


def test_the_page(system: Callable[..., System], slapd: Slapd) -> None:
    gatepost = system()
    file = gatepost.conf / "ldap-aliases.cf"
    here = {
        "/etc/postfix/ldap-aliases.cf": str(file),
        "ldap://ldap1.example.com": slapd.url,
        "ldap://ldap2.example.com": slapd.url,
        "/etc/ssl/certs/ldap-ca.pem": str(slapd.authority),
    }

    def fill(text: str) -> str:
        for there, place in here.items():
            text = text.replace(there, place)
        return text

    run = 0
    for language, text, after in blocks():
        if language == "cf":
            file.write_text(fill(text))
            assert _asked(gatepost, ["postmap", "-q", "anna@example.com", f"ldap:{file}"]).stdout == "anna@store.test\n"
        elif language == "main":
            gatepost.change(fill(text))
        elif language == "sh":
            for line in fill(text).splitlines():
                done = _asked(gatepost, line.split()[1:])
                assert "ldap" not in done.stderr, done.stderr
                assert done.returncode == 0 or line.startswith("gatepost check"), done.stderr
                run += 1
            if prints := _PRINTS.search(after):
                assert done.stdout == f"{prints[1]}\n"
    assert run == 5
    assert _asked(gatepost, ["postmap", "-q", "nobody@example.com", f"ldap:{file}"]).returncode == 1
    slapd.kill()
    assert "error: " in _asked(gatepost, ["postmap", "-q", "anna@example.com", f"ldap:{file}"]).stderr
    assert "Can't contact LDAP server" in _asked(gatepost, ["check"]).stderr
    assert "Can't contact" not in _asked(gatepost, ["check", "--offline"]).stderr


def _asked(gatepost: System, words: list[str]) -> "subprocess.CompletedProcess[str]":
    return gatepost.command(*words)
