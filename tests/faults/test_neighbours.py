"""Neighbours: what one user's mail does, or where his home hangs, costs no other user anything. Needs root, for users' rights."""

import os
from collections.abc import Iterator

import pytest

from tests.support.running import MASTER, System, wait_for

_USER = "games"  # somebody whose rights commands get; the mail system is nobody
_MAIN = {
    "mydestination": "example.test, other.test",
    "alias_maps": "texthash:{dir}/aliases",
    "default_privs": _USER,
    "recipient_delimiter": "+",
    "local_recipient_maps": "",
    "worker_processes": "1",
}
_ALIASES = """\
sleepy "|/bin/sleep 600"
quick /dev/null
"""
_SLOTS = 6


@pytest.fixture
def system() -> Iterator[System]:
    one = System(_MAIN, MASTER + f"local unix - n n - {_SLOTS} local\n")
    (one.folder / "aliases").write_text(_ALIASES)
    with one:
        yield one
        for pid in sleepers(one):
            os.kill(pid, 9)


def sleepers(system: System) -> list[int]:
    """The commands that sleep."""
    found = []
    for pid in system.pids():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"sleep\x00600" in file.read():
                    found.append(pid)
        except OSError:
            continue
    return found


def test_a_sleeping_command_takes_the_slots_of_its_user_only(system: System) -> None:
    """Mail with many extensions, in any case, to any name of this host: it is one user's."""
    for number in range(3 * _SLOTS):
        name = "sleepy" if number % 2 else "SLEEPY"
        assert system.send(to=f"{name}+{number}@{'example' if number % 3 else 'other'}.test")
    wait_for(lambda: len(sleepers(system)) >= 2, "two sleeping commands")
    assert system.send(to="quick@example.test")
    system.logged("to=<quick@example.test>", "status=sent")
    assert len(sleepers(system)) == 2
