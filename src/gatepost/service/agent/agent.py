"""The agent: the only process with privileges at run time. It writes mailboxes, reads lists of recipients and runs commands, each
as the user whose they are, asks PAM (pam.py), all as far as its allow-list grants that (grants.py), and does nothing else: no
message is interpreted here.

One thread a connection, plain blocking calls (files.py, run_command.py). Threads are bounded, and so is what is done at one
time for one user: whoever comes when there is no room is told to try later, and the agent lives on.
"""

import contextlib
import functools
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

from gatepost.deliver.privileged import (
    AGENT_SOCKET,
    LENGTH,
    LONGEST_RECORD,
    Answer,
    Asked,
    CheckPassword,
    Failed,
    Letter,
    Numbered,
    ReadFile,
    ReadTable,
    Request,
    RunCommand,
    WriteMaildir,
    WriteMaildirs,
    WriteMbox,
    encode,
    off_the_wire,
    requests,
)
from gatepost.events.records import Note
from gatepost.mail.content import CHUNK
from gatepost.service import privileges, retirement
from gatepost.service.agent import run_command, spawn
from gatepost.service.agent.arrivals import arrivals, readable
from gatepost.service.agent.files import TROUBLE, failed, read_list, write, write_letters
from gatepost.service.agent.grants import Grants, grants_of
from gatepost.service.agent.pam import PamDesk
from gatepost.service.agent.pam_grants import PamGrant
from gatepost.service.inheritance import Inheritance, Life
from gatepost.service.log import Log

_MOST_CONNECTIONS = 2000
_DESCRIPTORS = 10  # that a connection may need, with a command and its pipes
_PAUSE = 0.1  # seconds after a failure to accept
_SILENCE = 60.0  # seconds that a worker may take between two pieces of a content


def prepare(inheritance: Inheritance) -> Life:
    """A Body: works out what may be asked for, and what is to be spawned."""
    return functools.partial(_live, inheritance, grants_of(inheritance.configuration), spawn.lines(inheritance))


def _live(inheritance: Inheritance, grants: Grants, lines: tuple[spawn.Line, ...]) -> None:
    """Serve until SIGTERM: what is under way is given up then, and the worker asks again. After SIGUSR1 (a reload) nothing new is
    accepted, and what is under way comes to its end, within its time."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o077)
    if os.getuid() == 0 and grants.no_new_privileges:
        privileges.gain_no_privileges()
    room = min(run_command.raise_limits() // _DESCRIPTORS, _MOST_CONNECTIONS)
    desk = Desk(grants, Slots(room, max(room // 2, 1)), PamDesk(grants.pam))
    listener = inheritance.sockets[AGENT_SOCKET]
    listener.setblocking(True)
    over = retirement.descriptor()
    spawn.serve(lines, inheritance.log, over)
    os.write(inheritance.ready, b"\n")

    def tell(text: str) -> None:
        inheritance.log.emit(Note("agent", text, "warning"))
        inheritance.log.flush()

    for connection in arrivals(listener, over, tell):
        try:
            _welcome(connection, desk, inheritance.log, over)
        except RuntimeError as error:  # no memory for a thread
            tell(f"accept connection: {error}")
            time.sleep(_PAUSE)
    while serving := [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]:
        serving[0].join()


def _welcome(connection: socket.socket, desk: "Desk", log: Log, over: int) -> None:
    """Serve a connection in a thread of its own, or hang up where there are enough: then its mail is tried again. Raises
    RuntimeError where there can be no more threads."""
    serving = contextlib.ExitStack()
    serving.enter_context(connection)
    try:
        serving.enter_context(desk.slots.connection())
        threading.Thread(target=_serve, args=(connection, serving, desk, log.apart(), over), daemon=False).start()
    except NoRoom:
        serving.close()
    except BaseException:
        serving.close()
        raise


def _serve(connection: socket.socket, serving: contextlib.ExitStack, desk: "Desk", log: Log, over: int) -> None:
    """Answer one worker's requests until it hangs up, or it has none left and `over` is readable: then it finds the next agent."""
    stream = Stream(connection)
    with contextlib.suppress(OSError, EOFError, ValueError), serving:
        while stream.has_more or connection.fileno() in readable(connection.fileno(), over):
            asked, body = stream.request(), stream.body()
            for answers in desk.answers(asked, body, log):
                records = [encode(answer) for answer in answers]
                connection.sendall(b"".join(LENGTH.pack(len(record)) + record for record in records))


class NoRoom(Exception):
    """As much is under way as may be at one time."""


class Slots:
    """What may be under way at one time: `connections` in all, `of_one_user` requests for a user id."""

    def __init__(self, connections: int, of_one_user: int) -> None:
        self._connections = threading.BoundedSemaphore(connections)
        self._of_one_user = of_one_user
        self._users: Counter[int] = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def connection(self) -> Iterator[None]:
        """Room for one more connection, for as long as it lasts. Raises NoRoom."""
        if not self._connections.acquire(blocking=False):
            raise NoRoom
        try:
            yield
        finally:
            self._connections.release()

    @contextlib.contextmanager
    def user(self, uid: int) -> Iterator[None]:
        """Room for one more request for that user. Raises NoRoom."""
        with self._lock:
            if self._users[uid] >= self._of_one_user:
                raise NoRoom
            self._users[uid] += 1
        try:
            yield
        finally:
            with self._lock:
                self._users[uid] -= 1
                if not self._users[uid]:
                    del self._users[uid]


class Stream:
    """Records and contents off a socket, with one buffer. Raises EOFError where the worker has gone, or says what is too long."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    @property
    def has_more(self) -> bool:
        """Whether something of the next request is here already."""
        return bool(self._buffer)

    def request(self) -> Asked:
        """The next request, however long it takes to come."""
        self._connection.settimeout(None)
        size = self._length()
        self._connection.settimeout(_SILENCE)
        asked = requests.decode(self._exactly(size))
        if isinstance(asked.request, RunCommand):
            return Asked(off_the_wire(asked.request), asked.until)
        return asked

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
            data = self._connection.recv(CHUNK)
            if not data:
                raise EOFError
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


_UNASKED = "a worker asked for what the configuration has no use for"
NOT_GRANTED = Failed("4.3.5", "mail system configuration error: not allowed to the mail system")
_BUSY = Failed("4.3.2", "mail system agent: too much is under way for this user", unseen=True)
_LATE = Failed("4.3.0", "mail system agent: it came too late to be done", unseen=True)


class Desk:
    """Decides and does what is asked."""

    def __init__(self, grants: Grants, slots: Slots, pam: PamDesk | None = None) -> None:
        self._grants = grants
        self._pam = pam or PamDesk(PamGrant())
        self.slots = slots

    def answers(self, asked: Asked, body: Iterator[bytes], log: Log) -> Iterator[list[Numbered]]:
        """The answers, as they come; never raises for what a user's files or commands do."""
        if isinstance(asked.request, WriteMaildirs):
            for _ in body:
                pass  # letters have theirs with them
            yield from self._letters(asked.request.letters, asked.until, log)
            return
        answer = self._answer(asked.request, body, asked.until, log)
        for _ in body:
            pass  # what a failed delivery left unread, so that the next record is found
        yield [(0, answer)]

    def _answer(self, request: Request, body: Iterator[bytes], until: float, log: Log) -> Answer:
        if isinstance(request, CheckPassword):
            return self._check_password(request, until, log)
        if isinstance(request, ReadTable):
            return self._read_table(request, log)
        uid = request.uid if isinstance(request, ReadFile | RunCommand) else request.box.uid
        try:
            with self.slots.user(uid):
                return _LATE if time.monotonic() > until else self._perform(request, body, until, log)
        except NoRoom:
            return _BUSY

    def _check_password(self, request: CheckPassword, until: float, log: Log) -> Answer:
        if not self._pam.may(request):
            _tell(request, log)
            return NOT_GRANTED
        return self._pam.answer(request, until)

    def _read_table(self, request: ReadTable, log: Log) -> Answer:
        try:
            answer = self._grants.read_table(request)
        except TROUBLE as error:
            return failed(error)
        if answer is None:
            _tell(request, log)
            return NOT_GRANTED
        return answer

    def _perform(
        self, request: WriteMaildir | WriteMbox | ReadFile | RunCommand, body: Iterator[bytes], until: float, log: Log
    ) -> Answer:
        if isinstance(request, ReadFile):
            return self._read(request, log)
        if not self._may(request, log):
            return NOT_GRANTED
        if isinstance(request, RunCommand):
            return _run(request, body, until)
        return write(request, body, until)

    def _read(self, request: ReadFile, log: Log) -> Answer:
        if os.getuid() != 0:  # uid 0 stands for the mail system, and that is us
            return read_list(request.path, (request.uid or os.getuid(), request.gid or os.getgid()))
        answer = self._grants.read(request)
        if answer is None:
            _tell(request, log)
            return NOT_GRANTED
        return answer

    def _letters(self, letters: tuple[Letter, ...], until: float, log: Log) -> Iterator[list[Numbered]]:
        boxes = {letter.box for letter in letters}
        allowed = {box for box in boxes if self._may(WriteMaildir(box), log)}
        granted = [letter.box in allowed for letter in letters]
        refused: list[Numbered] = [(index, NOT_GRANTED) for index, may in enumerate(granted) if not may]
        if time.monotonic() > until:
            yield [(index, _LATE) for index in range(len(letters))]
            return
        yield refused
        yield from write_letters(((index, letter) for index, letter in enumerate(letters) if granted[index]), until)

    def _may(self, request: WriteMaildir | WriteMbox | RunCommand, log: Log) -> bool:
        """Whether we do it; if not, it is told. Where we are not root, we can do nothing for others, and there is nothing to
        grant."""
        if os.getuid() != 0:
            return True
        try:
            if self._grants.allow(request):
                return True
        except TROUBLE:
            pass  # a name that no file or account can have
        _tell(request, log)
        return False


def _run(request: RunCommand, body: Iterator[bytes], until: float) -> Answer:
    """Run a command, never as root: whoever has taken a worker over must not become that through us (pipe(8), local(8))."""
    if os.getuid() == 0 and 0 in (request.uid, request.gid):
        return Failed("4.3.5", "mail system configuration error: no command is run as root")
    if os.getuid() not in (0, request.uid):
        return Failed("4.3.5", f"cannot run a command as user id {request.uid}: Gatepost was not started by root")
    try:
        return run_command.run(request, body, until)
    except run_command.NotStarted as error:
        return Failed("4.3.0", str(error), missing=True)
    except TROUBLE as error:
        return failed(error)


def _tell(request: Request, log: Log) -> None:
    log.emit(Note("agent", f"{_UNASKED}: {_in_short(request)}", "warning"))
    log.flush()


def _in_short(request: Request) -> str:
    if isinstance(request, RunCommand):
        return f"command {request.argv[:1]} as uid={request.uid} gid={request.gid}"
    if isinstance(request, ReadFile):
        return f"file {request.path} as uid={request.uid} gid={request.gid}"
    if isinstance(request, ReadTable):
        return f"table {request.path}"
    if isinstance(request, CheckPassword):
        return f"PAM service {request.service[:40]!r}"
    return f"mailbox {request.box.path} of uid={request.box.uid} gid={request.box.gid}"
