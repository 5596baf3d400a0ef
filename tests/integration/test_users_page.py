"""docs/users.md: its files and commands, run in the order in which they stand there, and `gatepost check` of what it configures."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gatepost.auth.backends.stored_password import _SCHEMES
from tests.integration.system import System
from tests.support.running import environment

_PAGE = Path(__file__).parents[2] / "docs" / "users.md"


def blocks() -> list[tuple[str, str, str]]:
    """(language, kind, text) of the page's blocks."""
    found = []
    for piece in _PAGE.read_text().split("```")[1::2]:
        first, text = piece.split("\n", 1)
        language, kind = [*first.split(), "", ""][:2]
        found.append((language, kind, text))
    return found


def test_the_page(system: Callable[..., System]) -> None:
    gatepost = system()
    program = gatepost.folder / "gatepost"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gatepost.cli "$@"\n')
    program.chmod(0o755)
    ran = 0
    for language, kind, text in blocks():
        text = text.replace("/etc/postfix", str(gatepost.conf))
        if language == "cf":
            (gatepost.conf / f"{kind}-users.cf").write_text(text)
        elif language == "main":
            gatepost.change(text)
            checked = gatepost.command("check", "--offline")
            faults = [line for line in checked.stderr.splitlines() if "smtpd_auth_backends" in line]
            assert all("No such file" in line or "pam.d" in line for line in faults), faults
        elif language == "sh":
            gatepost.change("smtpd_auth_backends = file:" + str(gatepost.conf / "users"))
            there = {**environment(), "PATH": f"{gatepost.folder}:/usr/bin:/bin", "MAIL_CONFIG": str(gatepost.conf)}
            done = subprocess.run(["sh", "-e", "-x", "-c", text], env=there, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            assert "@example.com" in done.stdout or "telephone" in done.stdout
            ran += len(text.splitlines())
    assert ran == 10


def test_the_schemes_that_it_names_are_there() -> None:
    text = _PAGE.read_text()
    schemes = "ARGON2ID ARGON2I SSHA SSHA256 SSHA512 SHA256 BLF-CRYPT SHA512-CRYPT SHA256-CRYPT MD5-CRYPT CRYPT PLAIN".split()
    named = {scheme for scheme in schemes if f"{{{scheme}}}" in text}
    assert len(named) == 12
    assert named <= _SCHEMES.keys()
