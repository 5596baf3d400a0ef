"""kill -9 of any process, or of all at once, at random moments under load: what was acknowledged arrives.

Once, or twice where the kill came between a delivery and its record. `GATEPOST_KILLS`: rounds; `GATEPOST_SEED`: the dice.
"""

import contextlib
import itertools
import os
import random
import signal
import time

from tests.support.crowd import Crowd
from tests.support.running import System, lives, wait_for
from tests.support.sink import Sink

KILLS = int(os.environ.get("GATEPOST_KILLS", "20"))
SEED = int(os.environ.get("GATEPOST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
_CLIENTS = 6
_UNREAD = 1.0  # seconds
_SIZES = (200, 5_000, 400_000)  # the last is kept as a file


class Load(Crowd):
    """Clients that send numbered messages until told to stop; `acknowledged` are those that got their 250."""

    def __init__(self, system: System) -> None:
        super().__init__(self._run, _CLIENTS)
        self.acknowledged: set[str] = set()
        self._system = system

    def _run(self, client: int) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            name = f"{client}-{number}"
            size = _SIZES[2] if number % 40 == 0 else _SIZES[number % 2]
            if self._system.send(f"X-Id: {name}\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72)):
                self.acknowledged.add(name)
            else:
                time.sleep(0.05)


def test_nothing_acknowledged_is_lost() -> None:
    dice = random.Random(SEED)
    print(f"GATEPOST_SEED={SEED}")
    kills: list[tuple[float, float]] = []
    with Sink() as sink, System(relay=sink.port) as system:
        with Load(system) as load:
            for number in range(KILLS):
                time.sleep(dice.uniform(0.1, 1.0))
                begun = time.monotonic()
                if number % 3 == 0:
                    system.kill()
                else:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(dice.choice(system.pids()), signal.SIGKILL)
                kills.append((begun, time.monotonic()))
                time.sleep(0.05)
                if system.process and system.process.poll() is not None:
                    system.start()
        missing = lambda: load.acknowledged - set(sink.ids())  # noqa: E731
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not missing(), "", 30)
        assert not missing(), f"seed {SEED}: {len(missing())} of {len(load.acknowledged)} lost"
        assert len(load.acknowledged) > 5 * KILLS
        twice = _without_a_kill(sink.times(), kills)
        assert not twice, f"seed {SEED}: delivered again though nothing was killed in between: {twice}"
        wait_for(lambda: not system.queue(), "an empty queue", 30)
        found = system.audit()
        assert found.returncode == 0, found.stdout


def _without_a_kill(times: dict[str, list[float]], kills: list[tuple[float, float]]) -> list[str]:
    """Messages that came twice with no kill between the two. A kill may double what the next hop has taken and nobody has recorded,
    and nothing else: each copy too many of a message needs one of its own. `kills`: when each began and was done; what the killed
    had written by then, the next hop may still be reading for a while (`_UNREAD`)."""
    return [
        name
        for name, taken in times.items()
        for first, second in itertools.pairwise(taken)
        if not any(done >= first - _UNREAD and begun <= second for begun, done in kills)
    ]


def test_a_copy_too_many_needs_a_kill_of_its_own() -> None:
    kills = [(5.0, 5.1)]
    assert _without_a_kill({"once": [1.0], "killed": [4.0, 6.0]}, kills) == []
    assert _without_a_kill({"before": [1.0, 4.0], "three": [4.0, 6.5, 7.0], "after": [6.5, 8.0]}, kills) == [
        "before",
        "three",
        "after",
    ]


def test_a_killed_worker_is_replaced_within_a_second() -> None:
    with Sink() as sink, System({"worker_processes": "1"}, relay=sink.port) as system:
        time.sleep(1.1)  # it has lived long enough to be brought back at once
        (worker,) = system.workers()
        os.kill(worker, signal.SIGKILL)
        begun = time.monotonic()
        assert system.send()
        assert time.monotonic() - begun < 1.0
        system.logged("warning: process worker", f"pid {worker} killed by signal 9")


def test_the_supervisor_takes_its_children_with_it() -> None:
    """Nobody keeps ports and queue partitions from the next start."""
    with Sink() as sink, System(relay=sink.port) as system:
        children = system.pids()[:-1]
        os.kill(system.supervisor(), signal.SIGKILL)
        assert system.process
        system.process.wait()
        wait_for(lambda: not any(map(lives, children)), "the end of all children", 3)
        system.start()
        assert system.send("X-Id: after\r\n\r\n")
        wait_for(lambda: sink.ids().get("after"), "the message")
