"""Class 21 at the agent: more at one time than there are descriptors for, and one user whose commands sleep."""

import asyncio
import contextlib
import os
import socket

import pytest

from gatepost.deliver.mailbox import Mailbox
from gatepost.deliver.privileged import AgentClient, Done, WriteMaildir
from tests.support.running import wait_for
from tests.support.users import IDS, Houses

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root: else nothing is done as another user")


def test_more_connections_than_there_are_descriptors_for() -> None:
    """The agent hangs up on whom it has no room for, and lives on."""
    system = Houses()
    system._prefix = ("prlimit", "--nofile=512:512", *system._prefix)
    path = str(system.spool / "gatepost" / "agent")
    request = WriteMaildir(Mailbox(f"{system.home('alice')}/Maildir/", IDS["alice"], IDS["alice"], 51200000))
    with system, contextlib.ExitStack() as crowd:
        for _ in range(900):
            client = crowd.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(path)
        crowd.pop_all().close()

        def delivered() -> bool:
            return isinstance(asyncio.run(AgentClient(path, 10.0).ask(request, [b"mail\n"])), Done)

        wait_for(delivered, "an agent that works")
        assert "process agent" not in system.log()


def test_commands_that_sleep_hold_up_nobody_else() -> None:
    system = Houses({"alias_maps": "", "worker_processes": "1"})
    sleeping = f'"|exec sleep 100 #{system.folder}"\n'
    system.give(system.home("mallory") / ".forward", "mallory", sleeping, 0o644)
    with system:
        for number in range(60):
            assert system.send(to=f"mallory+{number}@here.test")
        assert system.send("Subject: for alice\r\n\r\nx\r\n", to="alice@here.test")
        wait_for(lambda: system.maildir("alice"), lambda: system.log()[-3000:])
        assert len(system.queue()) == 60
