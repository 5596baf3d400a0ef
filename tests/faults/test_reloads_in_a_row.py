"""Reloads a second apart, while old workers still have deliveries and sessions: all other mail goes on, each message arrives once,
and what a killed worker had in hand does not wait for another one."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.crowd import Crowd
from tests.support.running import System, wait_for
from tests.support.sink import Sink

AT_ONCE = 10.0
"""Seconds, on a busy machine: a quiet one takes two."""

RELOADS = 4


class Scene:
    """A fast next hop and a slow one, which answers to no DATA until `go_on`; `generations`: the pids of the workers that had
    something under way there when a reload replaced them, oldest first. `sent`: what was acknowledged."""

    def __init__(self, system: System, fast: Sink, slow: Sink) -> None:
        self.system, self.fast, self.slow, self.go_on = system, fast, slow, threading.Event()
        self.generations: list[int] = []
        self.sent: list[str] = []
        slow.answers = {"DATA": self._hold}

    def _hold(self, connection: socket.socket) -> None:
        self.go_on.wait(90)
        connection.sendall(b"354 go ahead\r\n")

    def send(self, name: str, to: str = "b@fast.example") -> None:
        """Send a message, which must be taken."""
        assert self.system.send(f"X-Id: {name}\r\n\r\n", to=to), name
        self.sent.append(name)

    def begin_delivery(self, name: str) -> None:
        """Have the slow next hop hold one more message."""
        held = self._held()
        self.send(name, "b@slow.example")
        wait_for(lambda: self._held() > held, f"the delivery of {name}")

    def _held(self) -> int:
        return sum(line.startswith(b"DATA") for line in list(self.slow.commands))

    def replace_workers(self) -> None:
        """Reload, and return as soon as there is a new worker."""
        (newest,) = set(self.system.workers()) - set(self.generations)
        self.generations.append(newest)
        _reload(self.system, len(self.generations))
        wait_for(lambda: len(set(self.system.workers()) - set(self.generations)) == 1, "the new worker")

    def settled(self, *twice: str) -> None:
        """Everything has arrived once; `twice`: what may have come twice."""
        self.go_on.set()
        wait_for(lambda: self._arrived().keys() == set(self.sent), lambda: f"all mail, not {self._arrived()}", 30)
        wait_for(lambda: not self.system.queue(), "an empty queue")
        assert [name for name, times in self._arrived().items() if times > 1 and name not in twice] == []
        found = self.system.audit()
        assert found.returncode == 0, found.stdout

    def _arrived(self) -> dict[str, int]:
        return self.fast.ids() | self.slow.ids()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Sink() as fast, Sink() as slow:
        main = {"worker_processes": "1", "transport_maps": f"inline:{{slow.example=smtp:[127.0.0.1]:{slow.port}}}"}
        with System(main, relay=fast.port) as system:
            scene = Scene(system, fast, slow)
            yield scene
            scene.go_on.set()


def test_all_other_mail_goes_on_at_once(scene: Scene) -> None:
    """Each generation has a delivery under way when the next reload comes, and a session that is in the middle of a message."""
    with contextlib.ExitStack() as sessions:
        clients = []
        for number in range(RELOADS):
            scene.begin_delivery(f"slow {number}")
            client = sessions.enter_context(scene.system.client())
            client.envelope("a@example.com", "b@fast.example")
            assert client.say("DATA")[0] == 354
            clients.append(client)
            scene.replace_workers()
            scene.send(f"between {number}")
        for number, client in enumerate(clients):
            client.write(f"X-Id: late {number}\r\n\r\n.\r\n".encode())
            assert client.reply()[0] == 250
            scene.sent.append(f"late {number}")
        quick = {name for name in scene.sent if not name.startswith("slow")}
        wait_for(lambda: scene.fast.ids().keys() == quick, lambda: f"all other mail, not {scene.fast.ids()}", AT_ONCE)
        assert set(scene.generations) <= set(scene.system.pids())
    scene.settled()


@pytest.mark.parametrize("victim", [0, 1, RELOADS - 1])
def test_what_a_killed_worker_had_waits_for_no_other(scene: Scene, victim: int) -> None:
    for number in range(RELOADS):
        scene.begin_delivery(f"slow {number}")
        scene.replace_workers()
    os.kill(scene.generations[victim], signal.SIGKILL)
    held = len(scene.slow.commands)
    wait_for(lambda: any(line.startswith(b"DATA") for line in scene.slow.commands[held:]), "another attempt", AT_ONCE)
    assert set(scene.generations) - set(scene.system.pids()) == {scene.generations[victim]}
    scene.send("new")
    wait_for(lambda: scene.fast.ids() == {"new": 1}, "new mail", AT_ONCE)
    scene.settled(f"slow {victim}")


def _reload(system: System, number: int) -> None:
    """The reload of that number, from 1."""
    system.reload()
    wait_for(lambda: system.log().count("reload -- version") == number, f"reload {number}")


@pytest.mark.parametrize("when", ["before", "under way"])
def test_a_replaced_worker_gives_its_places_at_next_hops_up(when: str) -> None:
    """amavisd with one process: a connection that is kept for more mail keeps everybody else's out. The old worker lives on, for it
    has a session; its delivery ends before the reload or after it."""
    go_on = threading.Event()

    def hold(connection: socket.socket) -> None:
        go_on.wait(60)
        connection.sendall(b"354 go ahead\r\n")

    with Sink(processes=1, answers={"DATA": hold}) as sink:
        next_hop = f"[127.0.0.1]:{sink.port}"
        main = {"worker_processes": "1", "relayhost": next_hop, "smtp_connection_cache_destinations": next_hop}
        kept = {"smtp_connection_cache_time_limit": "100s", "connection_cache_ttl_limit": "100s"}
        with System(main | kept) as system, system.client() as client:
            assert system.send("X-Id: first\r\n\r\n")
            if when == "before":
                go_on.set()
                wait_for(lambda: sink.ids() == {"first": 1}, "the first message")
            wait_for(lambda: any(line.startswith(b"DATA") for line in list(sink.commands)), "the delivery")
            _reload(system, 1)
            assert system.send("X-Id: second\r\n\r\n")
            go_on.set()
            wait_for(lambda: sink.ids() == {"first": 1, "second": 1}, lambda: f"both, not {sink.ids()}", AT_ONCE)
            assert client.say("NOOP")[0] == 250


class Stream(Crowd):
    """Two clients that send a message five times a second; `marks`: of what was taken."""

    def __init__(self, system: System) -> None:
        self._system, self.marks = system, list[str]()
        super().__init__(self._run, 2)

    def _run(self, number: int) -> None:
        while not self.over.wait(0.2):
            mark = f"{number} {time.monotonic()}"
            assert self._system.send(f"X-Id: {mark}\r\n\r\n")
            self.marks.append(mark)


def test_a_stream_of_mail() -> None:
    """Through a next hop that takes two connections at a time, under reloads a second apart: each message once, and soon."""
    with Sink(delay=0.1, processes=2) as sink, System(relay=sink.port) as system:
        with Stream(system) as stream:
            for number in range(RELOADS):
                stream.over.wait(1)
                _reload(system, number + 1)
            stream.over.wait(1)
        assert len(stream.marks) > 2 * RELOADS
        wait_for(lambda: sink.ids().keys() == set(stream.marks), lambda: f"{len(stream.marks)}, not {len(sink.ids())}", AT_ONCE)
        assert set(sink.ids().values()) == {1}
