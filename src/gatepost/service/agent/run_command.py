"""Running a command for local(8) and pipe(8): as another user, within limits, until a deadline that nobody can hold open.

Contract: the content goes to standard input as fast as the command reads, both outputs are read meanwhile and kept up to a length.
When the time is up every process of the command's session is killed, whether it changed its process group or not. A daemon that
left the session lives on, but no pipe that it holds keeps us waiting.
Failure: NotStarted where the command cannot be started. Where the content ends before it is whole (the worker went away), the
command is killed before it sees an end, and must not take what it has for a message.
"""

import contextlib
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gatepost.deliver.privileged import Done, RunCommand
from gatepost.service.agent.rights import as_user

LONGEST_OUTPUT = 4096
"""Octets of a command's output that are kept for the log."""

_PIECE = 65536


class NotStarted(Exception):
    """The command could not be started; the text says why."""


def run(request: RunCommand, content: Iterator[bytes], until: float) -> Done:
    """Run it to its end, or to that of its time, which `until` (of the monotonic clock) may cut short. Raises NotStarted, and
    whatever `content` raises."""
    process = start(request)
    with _Run(process, min(time.monotonic() + request.time_limit, until)) as running:
        running.feed(content)
        return running.end()


class _Run:
    """A command that runs: its standard input, its output, and the descriptor that tells of its end."""

    def __init__(self, process: "subprocess.Popen[bytes]", deadline: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._deadline = deadline
        self._output = bytearray()
        self._ended = os.pidfd_open(process.pid)
        self._input, self._told = process.stdin, process.stdout
        self._open, self._over, self._timed_out = True, False, False  # the output; the command itself; its time
        self._poll = select.poll()
        for file in (self._input, self._told):
            os.set_blocking(file.fileno(), False)
        self._poll.register(self._told, select.POLLIN)
        self._poll.register(self._ended, select.POLLIN)

    def __enter__(self) -> "_Run":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """The end of it, however it came: nobody is left behind who was not waited for."""
        if self._process.returncode is None:
            kill_session(self._process.pid)
            self._process.wait()
        os.close(self._ended)
        with contextlib.suppress(OSError):  # nothing is buffered: a pipe whose reader has gone
            self._input.close()
        self._told.close()

    def feed(self, content: Iterator[bytes]) -> None:
        """Write the content; what the command does not want to read is left out, as is what it has no time to."""
        self._poll.register(self._input, select.POLLOUT)
        for piece in content:
            left = memoryview(piece)
            while left:
                wanted = self._input.fileno() in self._wait()
                if self._over or self._timed_out:
                    return
                try:
                    left = left[os.write(self._input.fileno(), left) :] if wanted else left
                except BrokenPipeError:
                    return

    def end(self) -> Done:
        """Wait for the command, and for those who share its output with it, as long as there is time."""
        self._poll.unregister(self._input)
        self._input.close()
        while (self._open or not self._over) and not self._timed_out:
            self._wait()
        if self._timed_out:
            kill_session(self._process.pid)
        status = self._process.wait()
        return Done(data=bytes(self._output), exit_status=status, timed_out=not self._over)

    def _wait(self) -> set[int]:
        """Wait for something to happen, and take what was told. The descriptors to which it happened."""
        left = max(self._deadline - time.monotonic(), 0.0)
        happened = {descriptor for descriptor, _ in self._poll.poll(left * 1000)}
        self._timed_out = left == 0
        if self._told.fileno() in happened:
            self._take()
        if self._ended in happened:
            self._over = True
            self._poll.unregister(self._ended)
        return happened

    def _take(self) -> None:
        told = os.read(self._told.fileno(), _PIECE)
        self._output += told[: LONGEST_OUTPUT - len(self._output)]
        if not told:
            self._open = False
            self._poll.unregister(self._told)


def kill_session(leader: int) -> None:
    """Kill a process that leads a session, and all processes in that session (setsid(2)). It must not have been waited for yet:
    then its number is nobody else's. Again, until there is none left: one may have forked meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    for _ in range(10):
        members = _members(leader)
        for member in members:
            _kill(member, leader)
        if not members:
            return


def _kill(pid: int, session: int) -> None:
    """Kill a process if it is in that session. Its number may be another's by now: users could make us end what is not theirs."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            if os.getsid(pid) == session:
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)


def _members(session: int) -> list[int]:
    """The other processes of a session that run (proc(5): the fields of stat after the name are state, parent, group, session)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its = path.read_text(errors="replace").rpartition(")")[2].split()[:4]
            if int(its) == session and state not in "ZX" and int(path.parent.name) != session:
                found.append(int(path.parent.name))
    return found


def start(request: RunCommand, connection: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
    """The command, running as its user in a session of its own. `connection`: a socket that it gets for its input, output and
    errors, in place of pipes. Raises NotStarted."""
    directory = -1 if request.chroot else _directory(request)
    try:
        return subprocess.Popen(
            request.argv,
            stdin=connection,
            stdout=connection,
            stderr=subprocess.STDOUT,
            env=request.environment,
            start_new_session=True,
            umask=0o077,
            bufsize=0,
            preexec_fn=partial(_become, request, directory),
        )
    except subprocess.SubprocessError:
        raise NotStarted(f"cannot enter chroot={request.chroot} as uid={request.uid}") from None
    except OSError as error:
        raise NotStarted(f"pipe_command: execvp {request.argv[0]}: {error.strerror}") from None
    finally:
        if directory >= 0:
            os.close(directory)


def _directory(request: RunCommand) -> int:
    """Where it runs, opened as its user, who has to be let in there. Raises NotStarted."""
    try:
        with as_user(request.uid, request.gid):
            return os.open(f"{request.directory}/.", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        who = f"uid={request.uid} gid={request.gid}"
        raise NotStarted(f'cannot change directory to "{request.directory}" for {who}: {error.strerror}') from None


def _become(request: RunCommand, directory: int) -> None:
    """In the child, before the command: its limits, the root directory of `chroot=`, and only then the user, who could not change
    that. The thread that forked is the only one here, and what follows takes no locks."""
    resource.setrlimit(resource.RLIMIT_NOFILE, _started_with)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # mail does not end up in core files
    if request.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request.file_limit, request.file_limit))
    if request.chroot:
        os.chroot(request.chroot)
        os.chdir(request.directory)
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(request.gid, request.gid, request.gid)
        os.setresuid(request.uid, request.uid, request.uid)
    if directory >= 0:
        os.fchdir(directory)


_started_with = resource.getrlimit(resource.RLIMIT_NOFILE)


def raise_limits() -> int:
    """Allow ourselves as many descriptors as the system lets us have; how many that are. Commands get what we were started with."""
    hard = _started_with[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
