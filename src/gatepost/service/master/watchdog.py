"""Watching the workers' event loops (service/pulse.py): one that is stuck for good is replaced.

Time in which the process is stopped (a debugger) or waits for a disk does not count: ending it would mend nothing.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from gatepost.service.pulse import BEAT, LATE, Pulse

LOOK = 1.0
"""Seconds between two looks of the supervisor."""

_NOT_RUNNING = "TtD"  # states of proc(5): stopped, traced, waiting for a disk


def process_state(pid: int) -> str:
    """The state of a process's main thread, a letter of proc(5); `Z` where there is none any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


class Watchdog:
    """The supervisor's side. `limit`: seconds that a loop may be stuck, 0 for any; `state`: of a process, a letter of proc(5)."""

    def __init__(self, limit: float, state: Callable[[int], str] = process_state) -> None:
        self.limit = limit
        self._state = state
        self._watched: dict[int, _Watched] = {}

    def watch(self, pid: int, pulse: Pulse) -> None:
        """Watch the process that beats there."""
        self._watched[pid] = _Watched(pulse)

    def ended(self, pid: int) -> None:
        """Watch it no more."""
        if watched := self._watched.pop(pid, None):
            watched.pulse.close()

    def forget_all(self) -> None:
        """In a child: the pulses of others are none of its business."""
        for pid in list(self._watched):
            self.ended(pid)

    def stuck(self, now: float) -> Iterator[tuple[int, str]]:
        """Who is stuck for as long as the limit allows, and where; told again after that time. To be asked every LOOK seconds."""
        for pid, watched in self._watched.items():
            if self._time_stuck(pid, watched, now) >= self.limit > 0:
                watched.stuck = 0.0
                yield pid, watched.pulse.place()

    def _time_stuck(self, pid: int, watched: "_Watched", now: float) -> float:
        """A look counts for no more than twice its time: we may have been stopped ourselves."""
        beat, looked = watched.pulse.last(), watched.looked
        watched.looked = now
        if beat != watched.beat or not beat or now - beat < BEAT + LATE:
            watched.beat, watched.stuck = beat, 0.0
        elif self._state(pid) not in _NOT_RUNNING:
            watched.stuck += min(now - looked, 2 * LOOK)
        return watched.stuck


class _Watched:
    """A process and what was seen of it. `stuck`: seconds."""

    def __init__(self, pulse: Pulse) -> None:
        self.pulse = pulse
        self.beat = 0.0
        self.looked = 0.0
        self.stuck = 0.0
