"""docs/filter.md: its commands, run in the order in which they stand there; and each parameter of the gate has a word on it."""

import re
import shlex
from pathlib import Path

from gatepost.config.parameters import filter as gate
from tests.integration.system import System
from tests.support.running import MASTER, wait_for

_PAGE = Path(__file__).parents[2] / "docs" / "filter.md"


def test_the_page() -> None:
    commands = [line.strip() for line in _PAGE.read_text().splitlines() if re.match("    (?:gatepost|postconf) ", line)]
    assert len(commands) == 13
    with System("", MASTER) as one:
        for command in commands:
            words = shlex.split(command)
            before = set(one.workers())
            done = one.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            if words[-1] == "reload":
                wait_for(lambda before=before: one.greets() and not before & set(one.workers()), "workers of the new configuration")


def test_all_parameters_have_a_word_on_it() -> None:
    assert [row.name for row in gate.ROWS if row.name not in _PAGE.read_text()] == []
