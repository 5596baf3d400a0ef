"""A new process role is one row: here one is added to the table of a running system, and nothing else is told of it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import OWNER, System, environment, wait_for

_WITH_ONE_MORE = """\
import functools, os, signal, sys, time
from pathlib import Path
import gatepost.service.roles as roles

OWN = Path("gatepost") / "clerk"

def prepare(inheritance):
    if inheritance.configuration.value("mail_name") == "Hangs":
        time.sleep(3600)
    return functools.partial(live, inheritance, os.getuid())

def live(inheritance, before):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = inheritance.sockets[OWN]
    listener.setblocking(True)
    os.write(inheritance.ready, b"x")
    while True:
        connection, _ = listener.accept()
        told = os.getpid(), before, os.getuid(), len(inheritance.listeners), inheritance.configuration.value("mail_name")
        connection.sendall(" ".join(map(str, told)).encode())
        connection.close()

CLERK = roles.Role(
    "clerk", "tests", "__main__:prepare", roles.Rights(as_owner=True, walls=True), 2, sockets=(OWN,)
)
roles.ROLES = (*roles.ROLES, CLERK)

from gatepost.cli import main
from gatepost.service.master import supervisor
supervisor._RELOAD_PATIENCE = 5.0
sys.exit(main())
"""


class Clerk:
    """The process of the new role. `ask` gives its pid, its user before and after it lost its rights, how many services it serves,
    and what it knows of the configuration."""

    def __init__(self, system: System) -> None:
        self.system = system

    def ask(self) -> tuple[int, int, int, int, str]:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(self.system.spool / "gatepost" / "clerk"))
            pid, before, now, services, name = client.recv(1000).decode().split()
        return int(pid), int(before), int(now), int(services), name

    def another(self, pid: int) -> tuple[int, int, int, int, str]:
        """The answer of the one that takes the place of `pid`."""

        def answer() -> tuple[int, int, int, int, str] | None:
            try:
                found = self.ask()
            except (OSError, ValueError):
                return None
            return found if found[0] != pid else None

        found = wait_for(answer, "another clerk", 20)
        assert found
        return found


@pytest.fixture
def clerk() -> Iterator[Clerk]:
    system = System({"worker_processes": "1", "mail_name": "First"})
    command = [sys.executable, "-c", _WITH_ONE_MORE, "-c", str(system.conf), "start"]
    subprocess.run(command, env=environment(), check=True, timeout=60)
    yield Clerk(system)
    told = system.log()
    shutil.rmtree(system.folder)
    assert "Traceback" not in told, told


def test_it_lives_with_its_rights_and_no_longer_than_the_mail_system(clerk: Clerk) -> None:
    try:
        pid, before, now, services, name = clerk.ask()
        assert (before, services, name) == (os.getuid(), 0, "First")
        assert os.getuid() != 0 or now == pwd.getpwnam(OWNER).pw_uid
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
        os.kill(pid, signal.SIGKILL)
        second = clerk.another(pid)[0]
        clerk.system.logged(f"process clerk pid {pid} killed by signal 9")
        clerk.system.configure({"mail_name": "Second"})
        clerk.system.command("reload")
        pid, *_, name = clerk.another(second)
        assert name == "Second"
    finally:
        clerk.system.command("stop")
    assert not os.path.exists(f"/proc/{pid}")


def test_a_reload_waits_for_every_role_and_is_refused_where_one_hangs(clerk: Clerk) -> None:
    """What hangs is a body of any role: one that asks for accounts, say. The old children stay."""
    try:
        pid = clerk.ask()[0]
        clerk.system.configure({"mail_name": "Hangs"})
        clerk.system.command("reload")
        clerk.system.logged("reload refused, the old configuration keeps running")
        assert clerk.ask()[0] == pid
        clerk.system.configure({"mail_name": "Second"})
        clerk.system.command("reload")
        assert clerk.another(pid)[-1] == "Second"
    finally:
        clerk.system.command("stop")
