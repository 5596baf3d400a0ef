"""Neighbours: what one user's mail does, or where his home hangs, costs no other user anything. Needs root, for users' rights."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.running import MASTER, System, environment, wait_for

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
piped :include:{dir}/pipe
list :include:{dir}/list
"""
_SLOTS = 6


@pytest.fixture
def system() -> Iterator[System]:
    one = System(_MAIN, MASTER + f"local unix - n n - {_SLOTS} local\n")
    (one.folder / "aliases").write_text(one.fill(_ALIASES))
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


def test_a_named_pipe_as_a_list_holds_up_no_list(system: System) -> None:
    """It is no regular file, whether somebody has it open for writing or not, and its mail is returned."""
    os.mkfifo(system.folder / "pipe", 0o644)
    (system.folder / "list").write_text("quick\n")
    for flags in (None, os.O_RDWR):
        held = None if flags is None else os.open(system.folder / "pipe", flags)
        for _ in range(4):
            assert system.send(to="piped@example.test")
        system.logged("to=<piped@example.test>", "dsn=5.3.5, status=bounced")
        before = system.log().count("to=<list@example.test>")
        assert system.send(to="list@example.test")
        wait_for(lambda before=before: system.log().count("to=<list@example.test>") > before, "mail to the other list")
        if held is not None:
            os.close(held)


_HANGING = """\
import sys, threading
from gatepost.cli import main
from gatepost.lookup import account_database, accounts

def user_named(name, true=account_database.user_named):
    if name.startswith("hung"):
        threading.Event().wait()
    return true(name)

account_database.user_named = user_named
accounts.TIME_LIMIT = 2.0
sys.exit(main())
"""


def test_an_account_database_that_hangs_holds_up_nobody_else() -> None:
    """Who is asked for in vain is not told to be unknown; others get their mail meanwhile; and the system stops in time."""
    one = System({**_MAIN, "local_recipient_maps": "proxy:unix:passwd.byname $alias_maps"})
    (one.folder / "aliases").write_text(one.fill(_ALIASES))
    try:
        subprocess.run([sys.executable, "-c", _HANGING, "-c", str(one.conf), "start"], env=environment(), check=True, timeout=60)
        with one.client() as client, one.client() as other:
            for each in (client, other):
                each.say("EHLO client.example")
                each.say("MAIL FROM:<a@example.com>")
            client.write(b"RCPT TO:<hung@example.test>\r\n")
            assert other.say("RCPT TO:<nobody-of-that-name@example.test>")[0] == 550
            assert other.say("RCPT TO:<quick@example.test>")[0] == 250
            assert client.reply()[0] == 451
        for number in range(5):  # more than there are threads
            assert not one.send(to=f"hung{number}@example.test")
        with one.client() as client:
            client.envelope("a@example.com", "b@elsewhere.test")  # for whom no account need be asked
    finally:
        stopped = one.command("stop")
        log = one.log()
        shutil.rmtree(one.folder)
    assert stopped.returncode == 0
    assert "panic" not in log
