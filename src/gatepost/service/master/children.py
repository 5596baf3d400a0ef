"""The supervisor's children: fork them, know them, and say when a dead one may come back.

A child that lived less than a second is brought back with a growing pause (at most service_throttle_time), any other at once.
"""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable

from msgspec import Struct

from gatepost.service.roles import ROLES, Role

_SHORT_LIFE = 1.0
_OF_SEALED = 1.0
"""Seconds that one whose life any message may cost is waited with at most: else some such messages stop all mail for minutes."""


class Instance(Struct, frozen=True):
    """One of the children of a role, which `number` tells apart."""

    role: Role
    number: int = 0


class Child(Struct, frozen=True):
    """A running child. `generation` counts reloads; `ready` is a pipe that becomes readable when it serves (or ends)."""

    pid: int
    instance: Instance
    generation: int
    started: float
    ready: int


class Children:
    """All running children, and those waiting to be brought back. `longest_pause`: seconds that a child which dies at once is
    kept waiting at most."""

    def __init__(self, longest_pause: float = 60.0) -> None:
        self.longest_pause = longest_pause
        self.running: dict[int, Child] = {}
        self.waiting: dict[Instance, float] = {}
        self._pauses: dict[Instance, float] = {}

    def fork(self, instance: Instance, generation: int, body: Callable[[int], None]) -> Child:
        """Start a child that runs `body(ready)`, where `ready` is a file descriptor to write a byte to once it serves.
        Raises OSError."""
        ready_read, ready_write = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(ready_read)
            os.close(ready_write)
            raise
        if pid == 0:
            for pipe in (ready_read, *(child.ready for child in self.running.values())):
                os.close(pipe)
            _run(body, ready_write)
        os.close(ready_write)
        child = Child(pid, instance, generation, time.monotonic(), ready_read)
        self.running[pid] = child
        self.waiting.pop(instance, None)
        return child

    def reap(self) -> list[tuple[Child, int]]:
        """Children that have ended since the last call, each with its wait status."""
        ended = []
        while self.running:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if child := self.running.pop(pid, None):
                os.close(child.ready)
                ended.append((child, status))
        return ended

    def wait_before_return(self, child: Child) -> None:
        """Note that another one is to take the place of `child`, and when."""
        now = time.monotonic()
        if now - child.started < _SHORT_LIFE:
            longest = min(self.longest_pause, _OF_SEALED) if child.instance.role.rights.sealed else self.longest_pause
            pause = min(max(self._pauses.get(child.instance, 0.0) * 2, 0.25), longest)
        else:
            pause = 0.0
        self._pauses[child.instance] = pause
        self.waiting[child.instance] = now + pause

    def due(self) -> list[Instance]:
        """Those whose pause is over."""
        now = time.monotonic()
        return [instance for instance, when in self.waiting.items() if when <= now]

    def signal(self, number: int, *, roles: Iterable[Role] = ROLES, generation: int | None = None) -> None:
        """Send a signal to all children, or those of some roles and one generation."""
        for child in list(self.running.values()):
            if child.instance.role in roles and generation in (None, child.generation):
                with contextlib.suppress(ProcessLookupError):  # ended; reap() will tell
                    os.kill(child.pid, number)


def _run(body: Callable[[int], None], ready: int) -> None:
    """The life of a child: never returns into the supervisor's stack."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        body(ready)
        status = 0
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BaseException:  # whatever a body lets through must not unwind into the supervisor
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def how_it_ended(status: int) -> str:
    """A wait status in master(8)'s words."""
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    return f"exit status {os.WEXITSTATUS(status)}"
