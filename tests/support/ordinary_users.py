"""Ordinary users, who are not whoever runs the tests. Needs root, and a Python that any user may run."""

import subprocess
import sys
from pathlib import Path

from tests.support.running import System, environment

PYTHON = Path("/usr/bin/python3.11")


def as_user(system: System, user: int | str, *words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """A command of Gatepost, run by a user (name or uid) against a system."""
    command = [str(PYTHON), "-m", "gatepost.cli", *words]
    env = {**environment(), "PYTHONPATH": _PACKAGES, "MAIL_CONFIG": str(system.conf), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, input=text, capture_output=True, text=True, env=env, user=user, timeout=60, check=False)


def script_of_user(user: int | str, script: str) -> "subprocess.Popen[bytes]":
    """A Python script that a user runs, with pipes to it."""
    return subprocess.Popen([str(PYTHON), "-c", script], user=user, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


_PACKAGES = ":".join(path for path in sys.path if path)
