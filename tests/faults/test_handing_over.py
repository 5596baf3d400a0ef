"""A reload while a next hop takes its time: all other mail goes on at once, and a kill -9 of the old worker or the new one loses
and doubles nothing."""

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

AT_ONCE = 8.0
"""Seconds, on a busy machine: a quiet one takes two."""

ONE_AT_A_TIME = {
    "worker_processes": "1",
    "initial_destination_concurrency": "1",
    "default_destination_concurrency_limit": "1",
}


class Scene:
    """Message `slow` is under way to the sink, `waiting` waits behind it, and the configuration has been read again.

    `go_on`: the sink answers at last. `old`, `new`: pids of the workers.
    """

    def __init__(self, system: System, sink: Sink) -> None:
        self.system, self.sink, self.go_on = system, sink, threading.Event()
        sink.answers = {"DATA": self._hold}
        assert system.send("X-Id: slow\r\n\r\n")
        wait_for(lambda: any(line.startswith(b"DATA") for line in list(sink.commands)), "the delivery")
        sink.answers = {}
        assert system.send("X-Id: waiting\r\n\r\n")
        (self.old,) = system.workers()
        system.reload()
        system.logged("reload -- version")
        self.new = wait_for(lambda: next((pid for pid in system.workers() if pid != self.old), 0), "the new worker")

    def _hold(self, connection: socket.socket) -> None:
        self.go_on.wait(60)
        connection.sendall(b"354 go ahead\r\n")

    def settled(self) -> None:
        """All is delivered, each message once, and nothing is left."""
        wait_for(lambda: set(self.sink.ids()) == {"slow", "waiting", "new"}, lambda: f"all mail, not {self.sink.ids()}")
        wait_for(lambda: not self.system.queue(), "an empty queue")
        assert self.sink.ids() == {"slow": 1, "waiting": 1, "new": 1}
        found = self.system.audit()
        assert found.returncode == 0, found.stdout


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Sink() as sink, System(ONE_AT_A_TIME, relay=sink.port) as system:
        scene = Scene(system, sink)
        yield scene
        scene.go_on.set()


def test_all_other_mail_goes_on_at_once(scene: Scene) -> None:
    wait_for(lambda: scene.sink.ids() == {"waiting": 1}, "what waited", AT_ONCE)
    assert scene.system.send("X-Id: new\r\n\r\n")
    wait_for(lambda: scene.sink.ids() == {"waiting": 1, "new": 1}, "what came later", AT_ONCE)
    assert scene.old in scene.system.pids()
    scene.go_on.set()
    scene.settled()
    wait_for(lambda: scene.old not in scene.system.pids(), "the end of the old worker")


def test_the_old_worker_is_killed(scene: Scene) -> None:
    """What it had under way is delivered by the new one, without waiting for anything."""
    wait_for(lambda: scene.sink.ids() == {"waiting": 1}, "what waited")
    os.kill(scene.old, signal.SIGKILL)
    assert scene.system.send("X-Id: new\r\n\r\n")
    scene.settled()


def test_the_new_worker_is_killed(scene: Scene) -> None:
    """The one after it leaves alone what the old worker has under way."""
    wait_for(lambda: scene.sink.ids() == {"waiting": 1}, "what waited")
    os.kill(scene.new, signal.SIGKILL)
    wait_for(lambda: scene.system.send("X-Id: new\r\n\r\n"), "another worker")
    wait_for(lambda: scene.sink.ids() == {"waiting": 1, "new": 1}, "what came later")
    scene.go_on.set()
    scene.settled()
