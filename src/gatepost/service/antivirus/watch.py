"""Keeps programs running: starts them, hears of their end, starts them again after a pause that grows where they end soon.

They outlive whoever watches them: a reload, and a watcher that was killed, interrupt no scan, and signatures are not loaded again.
The next watcher knows a program by the file in which its number stands, with the time at which the kernel says that it began.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from gatepost.service.antivirus.daemons import Daemon

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
_LONG_LIFE: Final = 60.0
"""Seconds after which an end does not count as a soon one."""
PATIENCE: Final = 10.0
"""Seconds for a program to end when it is told to."""
_MOST_SAID: Final = 65536
_LONGEST_LINE: Final = 500
_BEGAN: Final = 19
"""Which of the fields of /proc/PID/stat behind the name has the time of the start (proc(5): the 22nd of all)."""


class Known(Struct, frozen=True):
    """What is written down of a program that runs. `began`: clock ticks since the system was started; `digest`: of its Daemon."""

    pid: int
    began: int
    digest: str


class Watched:
    """One program. `folder`: a descriptor of the folder in which its number is kept. `tell`: a warning for the log.

    `descriptor`: readable when the program ends (pidfd_open(2)); None while it does not run; `due`: when it is to be started then,
    by the monotonic clock.
    """

    def __init__(self, daemon: Daemon, folder: int, tell: Callable[[str], None]) -> None:
        self.daemon = daemon
        self.descriptor: int | None = None
        self.due = time.monotonic()
        self._folder = folder
        self._tell = tell
        self._pause = FIRST_PAUSE
        self._began = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: int | None = None

    def find(self) -> None:
        """Take over what a watcher before has started; what was started otherwise is told to end. Raises OSError."""
        known = self._known()
        if known is None or _began(known.pid) != known.began:
            return
        self.descriptor = os.pidfd_open(known.pid)
        if _began(known.pid) != known.began:  # between the two
            self._forget()
        elif known.digest != self.daemon.digest:
            self._tell(f"{self.daemon.name}: its configuration has changed: it is started anew")
            self._signal(signal.SIGTERM)

    def start(self) -> None:
        """Start it; where that fails, it is due again later."""
        self._began = time.monotonic()
        by_root = os.getuid() == 0
        # Neither full nor without a reader does the pipe hold up the program, or end it.
        self._errors, errors = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._process = subprocess.Popen(
                self.daemon.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                restore_signals=False,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
                start_new_session=True,
                umask=0o022,
                user=self.daemon.uid if by_root else None,
                group=self.daemon.gid if by_root else None,
                extra_groups=() if by_root else None,
            )
            self.descriptor = os.pidfd_open(self._process.pid)
            self._write(Known(self._process.pid, _began(self._process.pid), self.daemon.digest))
        except (OSError, subprocess.SubprocessError) as error:
            self._tell(f"{self.daemon.name}: cannot be started: {error}")
            self._forget()
            self._put_off()
        finally:
            os.close(errors)

    def ended(self) -> None:
        """It has ended: say so, and when it is started again."""
        status = None if self._process is None else self._process.wait()
        how = {None: "has ended", 0: "has ended"}.get(status, f"has ended with status {status}")
        why = self._last_words()
        self._forget()
        if time.monotonic() - self._began >= _LONG_LIFE:
            self._pause = FIRST_PAUSE
        self._tell(f"{self.daemon.name}: {how}: started again in {self._pause:.0f} s; {why}")
        self._put_off()

    def end(self) -> None:
        """Tell it to end, and see to it."""
        if self.descriptor is None:
            return
        self._signal(signal.SIGTERM)
        if not _wait(self.descriptor, PATIENCE):
            self._signal(signal.SIGKILL)
            _wait(self.descriptor, PATIENCE)
        self._forget()
        with contextlib.suppress(OSError):
            os.unlink(self.daemon.name, dir_fd=self._folder)

    def _put_off(self) -> None:
        self.due = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _forget(self) -> None:
        for descriptor in (self.descriptor, self._errors):
            if descriptor is not None:
                os.close(descriptor)
        self.descriptor = self._errors = self._process = None

    def _last_words(self) -> str:
        """What it has said last to its standard error, or where else to look."""
        said = b""
        with contextlib.suppress(OSError):  # BlockingIOError: nothing
            said = os.read(self._errors, _MOST_SAID) if self._errors is not None else b""
        lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        return f"it said: {lines[-1][:_LONGEST_LINE]}" if lines else "its own log says why it ended"

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.descriptor is not None:
                signal.pidfd_send_signal(self.descriptor, number)

    def _known(self) -> Known | None:
        try:
            descriptor = os.open(self.daemon.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
            with os.fdopen(descriptor, "rb") as file:
                return msgspec.json.decode(file.read(4096), type=Known)
        except (OSError, msgspec.MsgspecError):
            return None

    def _write(self, known: Known) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.daemon.name, flags, 0o644, dir_fd=self._folder), "wb") as file:
            file.write(msgspec.json.encode(known))


def watch(programs: Sequence[Watched], over: int) -> None:
    """Keep them running until the descriptor `over` is readable."""
    while True:
        now = time.monotonic()
        for one in programs:
            if one.descriptor is None and one.due <= now:
                one.start()
        poll = select.poll()
        poll.register(over, select.POLLIN)
        for one in programs:
            if one.descriptor is not None:
                poll.register(one.descriptor, select.POLLIN)
        waiting = [one.due - now for one in programs if one.descriptor is None]
        happened = {descriptor for descriptor, _ in poll.poll(max(min(waiting), 0.01) * 1000 if waiting else None)}
        if over in happened:
            return
        for one in programs:
            if one.descriptor in happened:
                one.ended()


def _wait(descriptor: int, seconds: float) -> bool:
    """Whether a program ends in time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _began(pid: int) -> int:
    """When a process was started, in ticks; 0 where there is none, or only what is left of one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[_BEGAN])
