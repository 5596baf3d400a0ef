"""docs/stolen-password.md: its commands, run in the order in which they stand there, with mail on hold when there should be."""

import re
import shlex
from pathlib import Path

from gatepost.config.parameters import submission
from tests.integration.submitters import Make, held, send, started, xclient
from tests.support.running import wait_for

_PAGE = Path(__file__).parents[2] / "docs" / "stolen-password.md"
_LOGIN = "anna@example.com"


def test_the_page(system: Make) -> None:
    one = started(system, "")
    commands = [line.strip() for line in _PAGE.read_text().splitlines() if re.match("    (?:gatepost|postconf) ", line)]
    assert len(commands) == 14
    said = {}
    for command in commands:
        words = shlex.split(command)
        if words[-1] == _LOGIN and words[2] in ("show", "purge", "release"):
            one.command("submission", "block", _LOGIN)
            with xclient(one, _LOGIN) as client:
                send(client, words[2])
            assert held(one), command
        before = set(one.workers())
        done = one.command(*(words[1:] if words[0] == "gatepost" else words))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        if words[-1] == "reload":
            wait_for(lambda before=before: one.greets() and not before & set(one.workers()), "workers of the new configuration")
        said[" ".join(words[1:3])] = done.stdout
    assert said["submission purge"].endswith(" deleted\n")
    assert said["submission release"].endswith(" released\n")
    assert "blocked since" in said["submission show"]


def test_all_parameters_have_a_word_on_it() -> None:
    assert [row.name for row in submission.ROWS if row.name not in _PAGE.read_text()] == []
