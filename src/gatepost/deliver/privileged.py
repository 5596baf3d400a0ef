"""What the worker asks of the agent process, which alone may become another user: write a mailbox, read a file, run a command.

On the wire (a unix socket): a 4-octet length and a msgpack record; then the content in pieces, each after its length, a length of
zero at the end; then the answers, each a record with the number of the letter that it answers, when it is known what became of
that. Nothing in here interprets content. The agent believes nothing of what it is asked: it does what the configuration, and the
lists that it reads itself, have a use for (service/agent/grants.py).
"""

import asyncio
import os
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.mail.outcome import Class, Outcome, bounced, deferred

AGENT_SOCKET = Path("gatepost") / "agent"
"""Below queue_directory, in a folder where only root makes files."""

LENGTH = struct.Struct("!I")
LONGEST_RECORD = 1 << 24
"""Octets of a request, a piece of a content, or an answer."""


class WriteMaildir(Struct, frozen=True, tag=True):
    """Deliver the content into a Maildir."""

    box: Mailbox


class Letter(Struct, frozen=True):
    """A small message for a Maildir."""

    box: Mailbox
    content: bytes


class WriteMaildirs(Struct, frozen=True, tag=True):
    """Deliver letters into their Maildirs, each of them as by WriteMaildir, but so that they wait for the disk together."""

    letters: tuple[Letter, ...]


class WriteMbox(Struct, frozen=True, tag=True):
    """Append the content to an mbox. `listed`: a file that a list of recipients names, which may be a device and where a lock file
    is not insisted on, but which must not be executable."""

    box: Mailbox
    locks: LockRules
    listed: bool = False


class ReadFile(Struct, frozen=True, tag=True):
    """Read a small file as its user: a .forward file, or a list that one, `forward`, includes; an alias does where that is
    empty."""

    path: str
    uid: int
    gid: int
    forward: str = ""


class ReadTable(Struct, frozen=True, tag=True):
    """Read the file of a table of passwords (smtp_sasl_password_maps), which has changed."""

    path: str


class RunCommand(Struct, frozen=True, tag=True):
    """Run `argv` as uid:gid with the content on standard input; killed after `time_limit` seconds.
    `environment` is all that it gets; `directory` is where it runs; `file_limit`: octets of a file that it writes, 0 for any.
    `account`: the user as whom it is run, empty where that is nobody's (pipe(8), aliases of root); `forward`: the .forward file
    that names it, empty where the configuration or an alias does."""

    argv: tuple[str, ...]
    uid: int
    gid: int
    time_limit: float
    environment: dict[str, str]
    directory: str
    chroot: str = ""
    file_limit: int = 0
    account: str = ""
    forward: str = ""


class CheckPassword(Struct, frozen=True, tag=True):
    """Ask PAM, as `service`, whether the user has this password and may log in. `client`: the address from which he wants to;
    `time_limit`: seconds."""

    service: str
    user: str
    password: bytes
    client: str
    time_limit: float

    def __repr__(self) -> str:
        return f"CheckPassword({self.service!r}, {self.user!r})"


class Done(Struct, frozen=True, tag=True):
    """It worked. `data`: what was read, the command's output, or PAM's answer (RIGHT or WRONG); `exit_status` of a command; `mode`
    and `owner` of a file read."""

    data: bytes = b""
    exit_status: int = 0
    timed_out: bool = False
    mode: int = 0
    owner: int = 0


class Failed(Struct, frozen=True, tag=True):
    """It did not: status code, words, diagnostic; `missing`: there is no such file, or no such command; `unseen`: nobody has
    looked, and whatever is there may be good."""

    enhanced: str
    text: str
    diagnostic: str = ""
    missing: bool = False
    unseen: bool = False


RIGHT, WRONG = b"right", b"wrong"

Request = WriteMaildir | WriteMbox | ReadFile | ReadTable | RunCommand | CheckPassword
Answer = Done | Failed
Numbered = tuple[int, Answer]
"""The answer to one of several letters, with its index."""


class Asked(Struct, frozen=True):
    """A request, and the time (of the monotonic clock, in seconds, which all processes share) when whoever asks will have given
    up: from then on nothing must come of it, for it will be asked again."""

    request: Request | WriteMaildirs
    until: float


def on_the_wire(request: RunCommand) -> RunCommand:
    """A request whose words are any octets (surrogate escapes), as text of a record can hold them: a character an octet."""
    return _with_words(request, lambda text: os.fsencode(text).decode("latin-1"))


def off_the_wire(request: RunCommand) -> RunCommand:
    """The contrary. Raises ValueError for what is no such text."""
    return _with_words(request, lambda text: os.fsdecode(text.encode("latin-1")))


def _with_words(request: RunCommand, changed: Callable[[str], str]) -> RunCommand:
    told = {name: changed(value) for name, value in request.environment.items()}
    return msgspec.structs.replace(request, argv=tuple(map(changed, request.argv)), environment=told)


encode = msgspec.msgpack.Encoder().encode
requests: msgspec.msgpack.Decoder[Asked] = msgspec.msgpack.Decoder(Asked)
_answers: msgspec.msgpack.Decoder[Numbered] = msgspec.msgpack.Decoder(Numbered)

LONGEST_FILE = 1 << 23
"""Octets of a list of recipients that are read; a longer one is refused."""

_LETTERS_TIME = 120.0  # seconds: small files; whoever hangs for longer must not hold the others up
_READ_TIME = 30.0  # seconds: a small file, from which nothing can come twice
_SHARE = 0.95  # of our time, after which the agent gives up: it needs some to say so
_IDLE = 32  # connections that are kept for later


class AgentClient:
    """Connections to the agent, kept and reused. Every request has a time limit; no agent is a temporary failure."""

    def __init__(self, path: str, time_limit: float) -> None:
        self._path = path
        self._time_limit = time_limit
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: Request, content: Iterable[bytes] = ()) -> Answer:
        """The agent's answer; Failed with 4.3.0 where there is none in time."""
        limit = self._time_limit
        if isinstance(request, RunCommand):
            limit = max(limit, request.time_limit / _SHARE**2)
            request = on_the_wire(request)
        elif isinstance(request, ReadFile | ReadTable):
            limit = min(limit, _READ_TIME)
        elif isinstance(request, CheckPassword):
            limit = min(limit, request.time_limit)
        return (await self._ask(request, content, 1, limit))[0]

    async def deliver(self, letters: tuple[Letter, ...]) -> list[Answer]:
        """The agent's answers to letters, as above: whatever keeps one of them waiting, those that were delivered are known to be.
        All of them together are to fit into a record."""
        return await self._ask(WriteMaildirs(letters), (), len(letters), _LETTERS_TIME)

    async def _ask(self, request: Request | WriteMaildirs, content: Iterable[bytes], wanted: int, limit: float) -> list[Answer]:
        answers: dict[int, Answer] = {}
        try:
            async with asyncio.timeout(limit), self._connection() as (reader, writer):
                record = encode(Asked(request, time.monotonic() + limit * _SHARE))
                writer.write(LENGTH.pack(len(record)) + record)
                for chunk in filter(None, content):
                    writer.write(LENGTH.pack(len(chunk)))
                    writer.write(chunk)
                    await writer.drain()
                writer.write(LENGTH.pack(0))
                while len(answers) < wanted:
                    index, answer = await _answer(reader)
                    answers[index] = answer
        except UnicodeEncodeError:
            return [Failed("5.1.3", "a name that no file can have")] * wanted
        except (OSError, TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
            missing = Failed("4.3.0", f"mail system agent: {error or type(error).__name__}", unseen=True)
            return [answers.get(index, missing) for index in range(wanted)]
        return [answers[index] for index in range(wanted)]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection of our own; kept afterwards if all went well, closed otherwise."""
        connection = self._take() or await asyncio.open_unix_connection(self._path)
        try:
            yield connection
        except BaseException:
            connection[1].close()
            raise
        if len(self._idle) < _IDLE:
            self._idle.append(connection)
        else:
            connection[1].close()

    def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()


async def _answer(reader: asyncio.StreamReader) -> Numbered:
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if length > LONGEST_RECORD:
        raise msgspec.DecodeError(f"an answer of {length} octets")
    return _answers.decode(await reader.readexactly(length))


def outcome_of(failure: Failed, before: str = "") -> Outcome:
    """A failure of the agent as the outcome of a delivery. `before`: what was to be done, in front of its text."""
    text = before + failure.text
    diagnostic = failure.diagnostic or f"X-Postfix; {text}"
    outcome = (
        bounced(text, failure.enhanced) if failure.enhanced[0] == str(Class.PERMANENT.value) else deferred(text, failure.enhanced)
    )
    return msgspec.structs.replace(outcome, diagnostic=diagnostic, origin="agent")
