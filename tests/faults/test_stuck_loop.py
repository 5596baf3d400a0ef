"""A worker whose event loop is held: what held it is told; one that is stuck for good is replaced, and no mail is lost by it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import Client, System, environment, lives, open_files, wait_for
from tests.support.sink import Sink

# NOOP holds the loop while the file is there: in Python, or in C without giving the interpreter's lock away.
_HELD = """\
import os, pathlib, re, sys, time
import gatepost.receive.verbs as verbs
from gatepost.cli import main

ASKED = pathlib.Path(os.environ["ASKED"])
noop = verbs.HANDLERS["noop"]

def hold_in_python():
    while os.path.exists(ASKED / "python"):
        pass

def hold_in_c():
    length = 20
    while os.path.exists(ASKED / "c"):
        re.match(r"(a|a)*b", "a" * length)
        length = min(length + 1, 27)

def held(*arguments):
    hold_in_python()
    hold_in_c()
    return noop(*arguments)

verbs.HANDLERS["noop"] = held
sys.exit(main())
"""
_LIMIT = 3


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as one:
        yield one


@pytest.fixture
def system(sink: Sink, request: pytest.FixtureRequest) -> Iterator[System]:
    """A system of one worker, which can be held, for `_LIMIT` seconds or what the test says."""
    limit = getattr(request, "param", _LIMIT)
    one = System({"worker_processes": "1", "worker_watchdog_time": f"{limit}s"}, relay=sink.port)
    (one.folder / "asked").mkdir()
    (one.folder / "asked").chmod(0o755)
    command = [sys.executable, "-c", _HELD, "-c", str(one.conf), "start"]
    try:
        subprocess.run(command, env={**environment(), "ASKED": str(one.folder / "asked")}, check=True, timeout=60)
        yield one
    finally:
        one.command("stop")
        shutil.rmtree(one.folder)


@contextlib.contextmanager
def _holding(system: System, how: str) -> Iterator[Client]:
    asked = system.folder / "asked" / how
    asked.touch()
    client = system.client()
    client.write(b"NOOP\r\n")
    try:
        yield client
    finally:
        asked.unlink(missing_ok=True)
        client.close()


def _worker(system: System) -> int:
    """The pid of its only worker."""
    daemon = int((system.spool / "pid" / "master.pid").read_text())
    children = Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split()
    holds = [int(pid) for pid in children if any("queue.sqlite" in name for name in open_files(int(pid)))]
    return holds[0] if holds else 0


@pytest.mark.parametrize("system", [0], indirect=True)
@pytest.mark.parametrize(("how", "place"), [("python", "hold_in_python"), ("c", "hold_in_c")])
def test_what_held_the_loop_is_told(system: System, how: str, place: str) -> None:
    worker = _worker(system)
    with _holding(system, how) as client:
        time.sleep(2.2)  # the fault itself
        (system.folder / "asked" / how).unlink()
        assert client.reply()[0] == 250
    system.logged("postfix/worker[", "warning: the event loop was held for ", f"{place} < ")
    assert _worker(system) == worker


@pytest.mark.parametrize(("how", "place"), [("python", "hold_in_python"), ("c", "hold_in_c")])
def test_a_stuck_worker_is_replaced(system: System, sink: Sink, how: str, place: str) -> None:
    system.configure({"queue_deliver": "no"})
    system.command("reload")
    system.logged("reload -- version")
    assert system.send(f"Subject: kept {how}\r\n\r\nx\r\n")
    with _holding(system, how):
        line = system.logged("error: process worker pid ", "event loop is stuck, killed and started again: at ", f"{place} < ")
        worker = int(line.partition("worker pid ")[2].partition(":")[0])
        wait_for(lambda: not lives(worker), "its end")
        (system.folder / "asked" / how).unlink()
    system.logged(f"warning: process worker pid {worker} killed by signal 9")
    system.configure({"queue_deliver": "yes"})
    system.command("reload")
    wait_for(lambda: sink.count(f"kept {how}".encode()) == 1, "its mail delivered by another")
    assert system.send()


def test_a_stopped_worker_is_left_alone(system: System) -> None:
    worker = _worker(system)
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(3 * _LIMIT)  # the fault itself
    finally:
        os.kill(worker, signal.SIGCONT)
    assert system.send()
    assert _worker(system) == worker
    assert "stuck" not in system.log()


# Looks often, and NOOP holds the loop for some looks with calls that come and go, in Python and from C.
_OFTEN = """\
import re, sys, time
import gatepost.receive.verbs as verbs
import gatepost.service.pulse as pulse
from gatepost.cli import main

pulse.BEAT, pulse.LATE = 0.03, 0.06
noop = verbs.HANDLERS["noop"]

def come_and_go(depth):
    return re.sub("x", lambda match: str(come_and_go(depth - 1))[:1], "x" * 3) if depth else ""

def held(*arguments):
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        come_and_go(6)
    return noop(*arguments)

verbs.HANDLERS["noop"] = held
sys.exit(main())
"""


def test_looking_costs_no_worker() -> None:
    """Frames come and go while they are written down: whoever looks must not follow one that is gone."""
    system = System({"worker_processes": "1"})
    try:
        subprocess.run([sys.executable, "-c", _OFTEN, "-c", str(system.conf), "start"], env=environment(), check=True, timeout=60)
        worker = _worker(system)
        with contextlib.closing(system.client()) as client:
            for _ in range(20):
                client.write(b"NOOP\r\n")
                assert client.reply()[0] == 250
        system.logged("postfix/worker[", "the event loop was held for ", "come_and_go < ")
        assert _worker(system) == worker
        assert "killed by signal" not in system.log()
    finally:
        system.command("stop")
        shutil.rmtree(system.folder)
