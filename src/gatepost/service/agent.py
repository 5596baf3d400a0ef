"""The agent: the only process with privileges at run time. It writes mailboxes, reads users' files and runs commands, each as the
user that the request names and its allow-list grants (grants.py), and does nothing else: no message is interpreted here.

One thread a connection, plain blocking calls. Another user's file rights are taken on per thread with setfsuid(2), which Linux
keeps per thread and which drops the capabilities to override permissions with it.
"""

import contextlib
import ctypes
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter

import msgspec
from msgspec import Struct

from gatepost.deliver.mailbox import STEPS, Arrival, MailboxError, deliver_to_maildir, deliver_to_mbox
from gatepost.deliver.privileged import (
    LENGTH,
    LONGEST_RECORD,
    Answer,
    Done,
    Failed,
    Letter,
    ReadFile,
    Request,
    RunCommand,
    WriteMaildir,
    WriteMaildirs,
    WriteMbox,
    encode,
    requests,
)
from gatepost.events.records import Note
from gatepost.mail.content import CHUNK
from gatepost.service.grants import Grants, Ids
from gatepost.service.log import Log

_LONGEST_OUTPUT = 4096  # octets of a command's output that are kept for the log
_libc = ctypes.PyDLL(None)  # setfsuid(2) is over before another thread could use the time


class Inheritance(Struct, frozen=True):
    """What the supervisor leaves to the agent: where it listens, what it may be asked for, the log, and the pipe to say that it
    serves."""

    listener: socket.socket
    grants: Grants
    log: Log
    ready: int


def run(inheritance: Inheritance) -> None:
    """Serve until SIGTERM. A request under way is finished by its own thread or given up with the process; the worker retries."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o077)
    if os.getuid() == 0:
        os.setgroups([])
    inheritance.listener.setblocking(True)
    os.write(inheritance.ready, b"\n")
    while True:
        connection, _ = inheritance.listener.accept()
        threading.Thread(target=_serve, args=(connection, inheritance.grants, inheritance.log.apart()), daemon=True).start()


def _serve(connection: socket.socket, grants: Grants, log: Log) -> None:
    """Answer one worker's requests until it hangs up."""
    stream = _Stream(connection)
    with contextlib.suppress(OSError, EOFError, msgspec.DecodeError), connection:
        while True:
            request = stream.request()
            body = stream.body()
            if isinstance(request, WriteMaildirs):
                answers = deliver_together(request.letters, grants, log)
            else:
                answers = [perform(request, body, grants, log)]
            for _ in body:
                pass  # what a failed delivery left unread, so that the next record is found
            records = map(encode, answers)
            connection.sendall(b"".join(LENGTH.pack(len(record)) + record for record in records))


class _Stream:
    """Records and contents off a socket, with one buffer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def request(self) -> Request | WriteMaildirs:
        return requests.decode(self._exactly(self._length()))

    def body(self) -> Iterator[bytes]:
        """The content that follows, piece by piece."""
        while size := self._length():
            yield self._exactly(size)

    def _length(self) -> int:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > LONGEST_RECORD:
            raise EOFError
        return int(length)

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._receive()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _receive(self) -> bytes:
        data = self._connection.recv(CHUNK)
        if not data:
            raise EOFError
        self._buffer += data
        return self._buffer


_UNASKED = "a worker asked for what the configuration has no use for"
NOT_GRANTED = Failed("4.3.5", "mail system configuration error: not allowed to the mail system")

_TROUBLE = (MailboxError, OSError, ValueError)
"""What a request may come to; ValueError: a path or a word that the system does not take, such as one with a NUL in it."""


def _in_short(request: Request) -> str:
    if isinstance(request, RunCommand):
        return f"command {request.argv[:1]} as uid={request.uid} gid={request.gid}"
    if isinstance(request, ReadFile):
        return f"file {request.path} as uid={request.uid} gid={request.gid}"
    return f"mailbox {request.box.path} of uid={request.box.uid} gid={request.box.gid}"


def perform(request: Request, body: Iterator[bytes], grants: Grants, log: Log) -> Answer:
    """Do what is asked, as the user that it names; never raises for what that user's files or commands do."""
    if not _granted(request, grants, log):
        return NOT_GRANTED
    try:
        if isinstance(request, RunCommand):
            if os.getuid() == 0 and 0 in (request.uid, request.gid):
                # Whoever has taken a worker over must not become root through us (pipe(8), local(8): never as root).
                return Failed("4.3.5", "mail system configuration error: no command is run as root")
            return _run_command(request, body)
        with _as_user(*_owner(request, grants)):
            return _perform_on_files(request, body)
    except _TROUBLE as error:
        return _failed(error)


def deliver_together(letters: Sequence[Letter], grants: Grants, log: Log) -> list[Answer]:
    """Deliver letters, step by step all of them, each as its own user; whatever befalls one is its own affair."""
    answers: list[Answer] = [Done()] * len(letters)
    pending: list[tuple[int, Ids, Arrival]] = []
    synced: set[str] = set()
    for index, letter in enumerate(letters):
        request = WriteMaildir(letter.box)
        if not _granted(request, grants, log):
            answers[index] = NOT_GRANTED
            continue
        try:
            pending.append((index, _owner(request, grants), Arrival(letter.box, (letter.content,), time.time(), synced)))
        except _TROUBLE as error:
            answers[index] = _failed(error)
    for step in STEPS:
        failed = _take_step(step, pending)
        pending = [delivery for delivery in pending if delivery[0] not in failed]
        for index, failure in failed.items():
            answers[index] = failure
    return answers


def _take_step(step: Callable[[Arrival], None], pending: Sequence[tuple[int, Ids, Arrival]]) -> dict[int, Failed]:
    """Take it with all of them; who failed, by index. Rights are changed from owner to owner only."""
    failed = {}
    for owner, group in groupby(pending, itemgetter(1)):
        going = list(group)
        try:
            with _as_user(*owner):
                for index, _, arrival in going:
                    try:
                        step(arrival)
                    except _TROUBLE as error:
                        failed[index] = _failed(error)
        except MailboxError as error:
            failed |= {index: _failed(error) for index, *_ in going}
    return failed


def _granted(request: Request, grants: Grants, log: Log) -> bool:
    """Whether we do it; if not, it is told. Where we are not root, we can do nothing for others, and there is nothing to grant."""
    if os.getuid() != 0 or grants.allow(request):
        return True
    log.emit(Note("agent", f"{_UNASKED}: {_in_short(request)}", "warning"))
    log.flush()
    return False


def _failed(error: MailboxError | OSError | ValueError) -> Failed:
    if isinstance(error, MailboxError):
        return Failed(error.enhanced, error.text, error.diagnostic)
    if isinstance(error, FileNotFoundError):
        return Failed("5.2.0", f"{error.filename}: {error.strerror}", missing=True)
    if isinstance(error, OSError):
        return Failed("4.3.0", f"{error.filename or 'agent'}: {error.strerror}")
    return Failed("4.3.0", f"agent: {error}")


def _owner(request: WriteMaildir | WriteMbox | ReadFile, grants: Grants) -> tuple[int, int]:
    """Whose rights the request takes; for a privileged mailbox root's, but only where nobody else can change its directory."""
    if isinstance(request, ReadFile):
        if request.uid == 0 and os.getuid() != 0:
            return os.getuid(), os.getgid()  # uid 0 stands for the mail system, and that is us
        return grants.reader(request)
    if request.box.privileged and os.getuid() == 0:
        folder = os.stat(os.path.dirname(request.box.path))
        if folder.st_uid == 0 and not folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return 0, 0
    return request.box.uid, request.box.gid


def _perform_on_files(request: WriteMaildir | WriteMbox | ReadFile, body: Iterator[bytes]) -> Answer:
    if isinstance(request, WriteMaildir):
        deliver_to_maildir(request.box, body, time.time)
        return Done()
    if isinstance(request, WriteMbox):
        deliver_to_mbox(request.box, body, request.locks, time.time, create=request.create, listed=request.listed)
        return Done()
    # A named pipe or device must not hold us up, and what is no regular file is not read at all.
    with open(os.open(request.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb") as file:
        status = os.fstat(file.fileno())
        data = file.read(request.at_most) if stat.S_ISREG(status.st_mode) else b""
        return Done(data=data, mode=status.st_mode, owner=status.st_uid)


@contextlib.contextmanager
def _as_user(uid: int, gid: int) -> Iterator[None]:
    """Have this thread's file accesses checked as those of uid:gid. Without root, only our own uid is possible."""
    if os.getuid() != 0:
        if uid != os.getuid():
            raise MailboxError("4.3.5", f"cannot write as user id {uid}: Gatepost was not started by root")
        yield
        return
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)
    try:
        # setfsuid(2) reports no errors: asking again with an impossible id tells what is in force.
        if _libc.setfsuid(-1) != uid or _libc.setfsgid(-1) != gid:
            raise MailboxError("4.3.0", f"cannot become user id {uid}")
        yield
    finally:
        _libc.setfsuid(0)
        _libc.setfsgid(0)


def _run_command(request: RunCommand, body: Iterator[bytes]) -> Answer:
    """Run the command with the content on its standard input; both its outputs, cut short, are the answer's data."""
    if os.getuid() not in (0, request.uid):
        return Failed("4.3.5", f"cannot run a command as user id {request.uid}: Gatepost was not started by root")
    try:
        process = _started(request)
    except OSError as error:
        return Failed("4.3.0", _not_started(request, error), missing=True)
    except subprocess.SubprocessError:
        return Failed("4.3.0", f"cannot enter chroot={request.chroot} as uid={request.uid}", missing=True)
    timed_out = threading.Event()

    def give_up() -> None:
        timed_out.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    deadline = time.monotonic() + request.time_limit
    killer = threading.Timer(request.time_limit, give_up)
    killer.start()
    output = bytearray()
    reader = threading.Thread(target=_gather, args=(process, output), daemon=True)
    reader.start()
    try:
        assert process.stdin
        with contextlib.suppress(BrokenPipeError), process.stdin:
            for chunk in body:
                process.stdin.write(chunk)
        status = process.wait()
        reader.join(max(deadline - time.monotonic(), 0.0))  # a daemon that it left behind may keep its output open
    finally:
        killer.cancel()
    return Done(data=bytes(output), exit_status=status, timed_out=timed_out.is_set())


def _started(request: RunCommand) -> "subprocess.Popen[bytes]":
    """The command, running as its user in a session of its own. Raises OSError."""
    privileged = os.getuid() == 0
    caged = bool(request.chroot)
    return subprocess.Popen(
        request.argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=request.environment,
        cwd=None if caged else request.directory or "/",
        start_new_session=True,
        umask=0o077,
        user=request.uid if privileged and not caged else None,
        group=request.gid if privileged and not caged else None,
        extra_groups=[] if privileged and not caged else None,
        preexec_fn=partial(_enter_cage, request) if caged else None,
    )


def _enter_cage(request: RunCommand) -> None:
    """In the child, before the command: the root directory of `chroot=`, and only then the user, who could not change it."""
    os.chroot(request.chroot)
    os.chdir(request.directory or "/")
    os.setgroups([])
    os.setresgid(request.gid, request.gid, request.gid)
    os.setresuid(request.uid, request.uid, request.uid)


def _not_started(request: RunCommand, error: OSError) -> str:
    if error.filename and error.filename == request.directory:
        return f'cannot change directory to "{request.directory}" for uid={request.uid} gid={request.gid}: {error.strerror}'
    return f"pipe_command: execvp {request.argv[0]}: {error.strerror}"


def _gather(process: "subprocess.Popen[bytes]", output: bytearray) -> None:
    assert process.stdout
    while chunk := process.stdout.read1(CHUNK):  # type: ignore[attr-defined]
        output += chunk[: _LONGEST_OUTPUT - len(output)]
