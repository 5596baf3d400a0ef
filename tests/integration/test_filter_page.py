"""docs/filter.md: its commands, run in the order in which they stand there; and each parameter of the gate has a word on it."""

import re
import shlex
from importlib.resources import files
from pathlib import Path

from gatepost.config.parameters import filter as gate
from gatepost.filter import rules
from tests.integration.system import System
from tests.support.running import MASTER, wait_for

_PAGE = Path(__file__).parents[2] / "docs" / "filter.md"


def test_the_page() -> None:
    commands = [line.strip() for line in _PAGE.read_text().splitlines() if re.match("    (?:gatepost|postconf) ", line)]
    assert len(commands) == 23
    with System(f"filter_rules_directories = {files(rules) / 'default'}\n", MASTER) as one:
        before = set(one.workers())
        for command in commands:
            words = shlex.split(command)
            done = one.command(*(words[1:] if words[0] == "gatepost" else words))
            if words[-1] != "check":  # it says what the page's names lack on this machine
                assert done.returncode == 0, (command, done.stdout, done.stderr)
        wait_for(lambda: one.greets() and not before & set(one.workers()), "workers of the new configuration")


def test_all_parameters_have_a_word_on_it() -> None:
    assert [row.name for row in gate.ROWS if row.name not in _PAGE.read_text()] == []
