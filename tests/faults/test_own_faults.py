"""What nobody expected to be raised, in whichever process of a daemon, stands in the mail log, and mail goes on."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.running import System, environment, wait_for

_FAULTY = """\
import asyncio, os, pathlib, sys, threading
import gatepost.queue.partitions as partitions, gatepost.queue.scheduler as scheduler
import gatepost.service.agent.agent as agent, gatepost.service.pickup as pickup, gatepost.service.worker as worker
import gatepost.receive.verbs as verbs, gatepost.service.showq.user_desk as user_desk
import gatepost.service.master.supervisor as supervisor
from gatepost.cli import main

ASKED = pathlib.Path(os.environ["ASKED"])

def faulty(name, function):
    def instead(*arguments):
        if (ASKED / name).exists():
            raise type(name, (Exception,), {})("boom")
        return function(*arguments)
    return instead

async def first(*waits, true=worker.first_of):
    task = asyncio.ensure_future(true(*waits))
    while not task.done():
        await asyncio.wait([task], timeout=0.05)
        if (ASKED / "callback").exists():
            asyncio.get_running_loop().call_soon(faulty("callback", None))
        if (ASKED / "thread").exists():
            threading.Thread(target=faulty("thread", None), name="helper").start()
        if (ASKED / "worker").exists():
            faulty("worker", None)()

worker.first_of = first
partitions.Partitions.release = faulty("care", partitions.Partitions.release)
pickup.maildrop.waiting = faulty("pickup", pickup.maildrop.waiting)
scheduler.Scheduler._replenish = faulty("scheduler", scheduler.Scheduler._replenish)
scheduler.Scheduler._wanted = faulty("route", scheduler.Scheduler._wanted)
verbs.HANDLERS["noop"] = faulty("session", verbs.HANDLERS["noop"])
agent.write_letters = faulty("agent", agent.write_letters)
user_desk.list_queue = faulty("showq", user_desk.list_queue)
supervisor.Supervisor.reload = faulty("master", supervisor.Supervisor.reload)
sys.exit(main())
"""

_MAILBOXES = {
    "virtual_mailbox_domains": "example.test",
    "virtual_mailbox_base": "{dir}/Maildir",
    "virtual_mailbox_maps": "static:box/",
    "virtual_uid_maps": "static:65534",
    "virtual_gid_maps": "static:65534",
}
Ask = Callable[[str], "contextlib.AbstractContextManager[None]"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[System]:
    """A system in the background, where standard error leads nowhere, that raises what it is asked to."""
    system = System(_MAILBOXES)
    for name in ("asked", "Maildir"):
        (system.folder / name).mkdir()
    shutil.chown(system.folder / "Maildir", "nobody")
    command = [sys.executable, "-c", _FAULTY, "-c", str(system.conf), "start"]
    try:
        subprocess.run(command, env={**environment(), "ASKED": str(system.folder / "asked")}, check=True, timeout=60)
        yield system
    finally:
        system.command("stop")
        shutil.rmtree(system.folder)


@pytest.fixture
def ask(daemon: System) -> Ask:
    @contextlib.contextmanager
    def asked(name: str) -> Iterator[None]:
        path = daemon.folder / "asked" / name
        path.touch()
        try:
            yield
        finally:
            path.unlink()

    return asked


def _told(daemon: System, process: str, name: str, consequence: str) -> None:
    """The fault is named with its place and what becomes of it, and its trace follows."""
    line = daemon.logged(f"postfix/{process}[", f"panic: {name}: boom (", consequence)
    assert re.search(r"\(\S+:\d+\): .*this is a fault of Gatepost, please report it with the trace that follows$", line), line
    daemon.logged(f"postfix/{process}[", "panic: trace: ", f"{name}: boom")


def _delivers(daemon: System, subject: str) -> None:
    wait_for(lambda: daemon.send(f"Subject: {subject}\r\n\r\nx\r\n", to="b@example.test"), "a message taken after the fault", 20)
    new = daemon.folder / "Maildir" / "box" / "new"
    wait_for(lambda: any(subject in file.read_text() for file in new.glob("*")), "a delivery after the fault", 20)


def test_a_worker_that_ends_is_told_of_and_started_again(daemon: System, ask: Ask) -> None:
    with ask("worker"):
        _told(daemon, "worker", "worker", "the process ends and is started again, nothing acknowledged is lost")
    daemon.logged("postfix/master[", "warning: process worker pid", "exit status 1")
    _delivers(daemon, "after the worker")


def test_a_worker_that_has_lost_a_thread_is_started_again(daemon: System, ask: Ask) -> None:
    with ask("thread"):
        _told(daemon, "worker", "thread", "the thread helper has ended, the process ends and is started again")
    _delivers(daemon, "after the thread")


def test_a_worker_survives_a_callback(daemon: System, ask: Ask) -> None:
    with ask("callback"):
        _told(daemon, "worker", "callback", "the process goes on")
    _delivers(daemon, "after the callback")


@pytest.mark.parametrize(
    ("name", "work"), [("care", "the care of queue partitions"), ("pickup", "pickup"), ("scheduler", "the scheduler")]
)
def test_work_in_the_background_goes_on(daemon: System, ask: Ask, name: str, work: str) -> None:
    ended = daemon.log().count("process worker pid")
    with ask(name):
        _told(daemon, "worker", name, f"{work} begins anew")
    _delivers(daemon, f"after {name}")
    assert daemon.log().count("process worker pid") == ended


def test_a_message_that_breaks_waits_and_others_go_on(daemon: System, ask: Ask) -> None:
    with ask("route"):
        assert daemon.send("Subject: breaks\r\n\r\nx\r\n", to="b@example.test")
        _told(daemon, "worker", "route", "delivery broke off, it is tried again later")
    _delivers(daemon, "after a message that breaks")
    assert any("unknown mail transport error" in line for line in daemon.queue())


def test_a_session_that_fails_is_told_of(daemon: System, ask: Ask) -> None:
    with ask("session"), daemon.client() as client:
        assert client.say("NOOP") == (421, "4.3.0 mail.example.test Server local error")
        _told(daemon, "worker", "session", "the process goes on")
    _delivers(daemon, "after the session")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: else the worker delivers to mailboxes itself")
def test_a_request_that_the_agent_fails_is_told_of_and_tried_again(daemon: System, ask: Ask) -> None:
    with ask("agent"):
        assert daemon.send("Subject: by the agent\r\n\r\nx\r\n", to="b@example.test")
        _told(daemon, "agent", "agent", "has ended, the process goes on")
        daemon.logged("to=<b@example.test>", "status=deferred")
    _delivers(daemon, "after the agent")


def test_a_question_that_showq_fails_is_told_of(daemon: System, ask: Ask) -> None:
    with ask("showq"), socket.socket(socket.AF_UNIX) as question:
        question.connect(str(daemon.spool / "public" / "showq"))
        assert question.recv(100) == b""
        _told(daemon, "showq", "showq", "a request about the queue was not answered")


def test_a_fault_of_the_supervisor_ends_nothing(daemon: System, ask: Ask) -> None:
    pid = int((daemon.spool / "pid" / "master.pid").read_text())
    with ask("master"):
        os.kill(pid, signal.SIGHUP)
        _told(daemon, "master", "master", "the mail system goes on as it was")
    os.kill(pid, signal.SIGHUP)
    daemon.logged("postfix/master[", "reload --")
    _delivers(daemon, "after the supervisor")
