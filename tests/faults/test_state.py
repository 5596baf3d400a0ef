"""The shared state in a running system: a worker that is killed or stopped in the middle of a change, a file that is cut short, a
restart. Nobody uses it yet but these tests: a task in each worker, behind its walls, does what files in data_directory ask for."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import System, environment, wait_for

_USED = """\
import asyncio, os, signal, sys, threading
from pathlib import Path
from gatepost.cli import main
from gatepost.service.composition import Composition
from gatepost.state import changes
from gatepost.state.port import Space

SPACE = Space("test")
folder = Path(os.environ["ASKED"])
start, put = Composition.start, changes._put

def stopped(*arguments):
    result = put(*arguments)
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # else this thread might still get to the commit
    return result

async def done(state, what, key, value=""):
    if what == "put":
        return str(await state.put(SPACE, key.encode(), value.encode()))
    if what == "get":
        entry = await state.get(SPACE, key.encode())
        return entry.value.decode() if entry else "nothing"
    changes._put = stopped
    return str(await state.put(SPACE, key.encode(), b"x"))

async def serve(state):
    (folder / f"{os.getpid()}.ready").touch()
    while True:
        await asyncio.sleep(0.02)
        for asked in folder.glob(f"{os.getpid()}.asked"):
            words = asked.read_text().split()
            asked.unlink()
            try:
                answer = await done(state, *words)
            except Exception as error:
                answer = repr(error)
            (folder / "new").write_text(answer)
            (folder / "new").rename(folder / f"{os.getpid()}.answer")

def started(self, group):
    start(self, group)
    group.create_task(serve(self.materials.state))

Composition.start = started
sys.exit(main())
"""


class Users:
    """A system whose workers use the store when asked to."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.asked = system.folder / "data" / "asked"
        self.file = system.folder / "data" / "state" / "state.sqlite"

    def start(self) -> None:
        shutil.rmtree(self.asked, ignore_errors=True)
        self.asked.mkdir(parents=True)
        for folder in (self.asked.parent, self.asked):
            with contextlib.suppress(PermissionError):
                shutil.chown(folder, self.system.main["mail_owner"])
            folder.chmod(0o700)
        command = [sys.executable, "-c", _USED, "-c", str(self.system.conf), "start"]
        subprocess.run(command, env={**environment(), "ASKED": str(self.asked)}, check=True, timeout=60)

    def workers(self, number: int = 2) -> list[int]:
        """The pids of those that serve."""

        def found() -> list[int]:
            return [pid for pid in (int(file.stem) for file in self.asked.glob("*.ready")) if os.path.exists(f"/proc/{pid}")]

        wait_for(lambda: len(found()) >= number, "the workers", 20)
        return sorted(found())

    def ask(self, pid: int, words: str) -> None:
        (self.asked / "ask").write_text(words)
        (self.asked / "ask").chmod(0o644)
        (self.asked / "ask").rename(self.asked / f"{pid}.asked")

    def answer(self, pid: int) -> str:
        file = self.asked / f"{pid}.answer"
        wait_for(file.exists, "an answer", 20)
        text = file.read_text()
        file.unlink()
        return text

    def do(self, pid: int, words: str) -> str:
        self.ask(pid, words)
        return self.answer(pid)


@pytest.fixture
def users() -> Iterator[Users]:
    system = System({"worker_processes": "2"})
    one = Users(system)
    try:
        one.start()
        yield one
    finally:
        system.command("stop")
        told = system.log()
        shutil.rmtree(system.folder)
    assert "Traceback" not in told, told


def _state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_all_workers_see_the_same_and_it_outlives_kills_and_restarts(users: Users) -> None:
    one, two = users.workers()
    assert users.do(one, "get k") == "nothing"
    assert users.do(one, "put k v").isdigit()
    assert users.do(two, "get k") == "v"
    assert users.do(two, "put k w").isdigit()
    os.kill(two, signal.SIGKILL)
    (three,) = wait_for(lambda: {*users.workers()} - {one, two}, "another worker", 20)
    assert users.do(one, "get k") == users.do(three, "get k") == "w"
    users.system.command("stop")
    users.start()
    assert users.do(users.workers()[0], "get k") == "w"
    assert users.file.stat().st_mode & 0o777 == 0o600
    assert users.file.parent.stat().st_mode & 0o777 == 0o700


def test_a_worker_that_is_stopped_in_the_middle_of_a_change_is_replaced(users: Users) -> None:
    """Others read meanwhile, and what they write is stored once it is gone: nobody is refused."""
    one, two = users.workers()
    assert users.do(one, "put k v").isdigit()
    users.ask(two, "stop never")
    wait_for(lambda: _state_of(two) == "T", "the stop", 10)
    assert users.do(one, "get k") == "v"
    assert users.do(one, "put k w").isdigit()
    assert users.do(one, "get never") == "nothing"
    users.system.logged(f"process {two} is stopped, and keeps others from writing to the shared state: killed")
    wait_for(lambda: {*users.workers()} - {one, two}, "another worker", 20)


def test_a_worker_that_is_stopped_otherwise_is_left_alone(users: Users) -> None:
    one, two = users.workers()
    os.kill(two, signal.SIGSTOP)
    try:
        for number in range(60):
            assert users.do(one, f"put k {number}").isdigit()
        assert _state_of(two) == "T"
        assert "is stopped" not in users.system.log()
    finally:
        os.kill(two, signal.SIGCONT)
    assert users.do(two, "get k") == "59"


def test_a_file_that_is_cut_short_is_set_aside_and_named(users: Users) -> None:
    one, two = users.workers()
    assert users.do(one, "put k v").isdigit()
    assert users.do(two, "get k") == "v"
    for suffix in ("", "-wal"):
        os.truncate(f"{users.file}{suffix}", 0)
    for pid in (one, two):
        users.do(pid, "put k w")  # the first of them may go where the file was cut
    users.system.logged("is damaged")
    for pid in (one, two):
        assert users.do(pid, f"put {pid} v").isdigit()
    wait_for(lambda: users.do(one, f"get {two}") == users.do(two, f"get {one}") == "v", "one store", 10)
    log = users.system.log()
    assert log.count(f"{users.file} is damaged") == 1 and "going on with an empty one" in log
    assert users.workers() == [one, two]


def test_a_place_that_nobody_can_write_to_is_named_and_mail_goes_on(users: Users) -> None:
    one, _ = users.workers()
    users.file.parent.write_text("no folder")
    for words in ("get k", "put k v"):
        assert "StateUnavailable" in users.do(one, words)
    users.system.logged(f"postfix/state[{one}]: warning: {users.file}")
    with users.system.client() as client:
        assert client.say("NOOP")[0] == 250
    users.file.parent.unlink()
    wait_for(lambda: users.do(one, "put k v").isdigit(), "a store", 10)
