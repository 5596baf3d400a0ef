"""A session over a transport in memory, with simple fakes around it, and a reader of conversation files.

A conversation file has lines `C: text` (sent with CRLF after it; `\\r`, `\\n`, `\\t`, `\\0`, `\\xNN` are escapes, a final `\\c`
leaves the CRLF out), `S: text` (a reply line, exactly), `L: text` (a log line, in order among those expected), `set: name =
value` (a parameter), `END` (the server closed). Consecutive `C:` lines are sent together.
"""

import asyncio
import codecs
import dataclasses
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from tests.support.settings import default

from gatepost.admission.port import TAKEN, Admitted
from gatepost.events import records
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.net.port import NotFound, TryAgain
from gatepost.policy.port import PERMIT, Facts, Stage, Verdict
from gatepost.queue.port import NewMessage
from gatepost.receive.port import Lookups
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.smtpd import SmtpdService
from gatepost.state.anvil import LocalCounters


class MemoryTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self, peer: str = "127.0.0.2") -> None:
        super().__init__({"peername": (peer, 40000), "sockname": ("127.0.0.1", 2525)})
        self.out = bytearray()
        self.closed = False
        self.protocol: asyncio.Protocol | None = None

    def write(self, data: Any) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")  # as uvloop does
        self.out += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def take(self) -> list[str]:
        lines = self.out.decode("utf-8", "surrogateescape").split("\r\n")
        self.out.clear()
        return lines[:-1]


Store = Callable[[NewMessage], Awaitable[None]]


class FakeIntake:
    def __init__(self, queue_id: QueueId, store: Store | None = None) -> None:
        self.id = queue_id
        self.data = b""
        self.aborted = False
        self._store = store

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        self.data += chunk

    async def admit(self, envelope: Envelope, *, dropped: bool) -> Admitted:
        if self._store is not None and not dropped:
            await self._store(NewMessage(self.id, envelope, MemoryContent(self.data), len(self.data)))
        return TAKEN

    def abort(self) -> None:
        self.aborted = True


class FakeAdmission:
    def __init__(self, store: Store | None = None) -> None:
        self.store = store

    def open(self, queue_id: QueueId, *, client: str, origin_service: str, context: str, in_lines: bool = False) -> FakeIntake:
        return FakeIntake(queue_id, self.store)


class FakePolicy:
    """Recipients `nouser*` and those at other domains are refused, as in a small Postfix."""

    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        if stage is not Stage.RECIPIENT or facts.recipient is None:
            return PERMIT
        local, _, domain = facts.recipient.partition("@")
        if domain not in ("", "example.test"):
            return Verdict(Outcome(Class.TEMPORARY, "4.7.1", f"<{facts.recipient}>: Relay access denied", 454))
        if local.startswith("no"):
            text = f"<{facts.recipient}>: Recipient address rejected: User unknown in local recipient table"
            return Verdict(Outcome(Class.PERMANENT, "5.1.1", text, 550))
        return PERMIT


class FakeResolver:
    """127.0.0.2 has a good name; 127.0.0.4 one without an address, .5 another's, .6 none, .7 and .8 temporary failures."""

    _PTR: ClassVar = {"127.0.0.2": "client2.client.test", "127.0.0.4": "ghost.client.test", "127.0.0.5": "mismatch.client.test",
            "127.0.0.8": "flaky.client.test"}  # fmt: skip

    async def ptr(self, address: str) -> tuple[str, ...]:
        if address == "127.0.0.7":
            raise TryAgain(address, "PTR", "server failure")
        if address not in self._PTR:
            raise NotFound(address, "PTR", "not found", exists=False)
        return (self._PTR[address],)

    async def host(self, name: str) -> tuple[str, ...]:
        match name:
            case "client2.client.test":
                return ("127.0.0.2",)
            case "mismatch.client.test":
                return ("192.0.2.1",)
            case "flaky.client.test":
                raise TryAgain(name, "A", "server failure")
        raise NotFound(name, "A", "not found", exists=False)


def log_line(event: records.Event) -> str | None:
    """The few renderings that these tests need."""
    match event:
        case records.Connected():
            return f"connect from {event.client}"
        case records.Disconnected():
            counts = " ".join(f"{n}={ok}" if ok == total else f"{n}={ok}/{total}" for n, ok, total in event.counts)
            ok, total = sum(c[1] for c in event.counts), sum(c[2] for c in event.counts)
            sums = f"commands={ok}" if ok == total and total else f"commands={ok}/{total}"
            return f"disconnect from {event.client} {counts} {sums}".replace("  ", " ")
        case records.SessionLost():
            return f"{event.what} after {event.after} from {event.client}"
        case records.Judged():
            tail = f"{event.where} from {event.client}: {event.text}; {event.context}"
            return f"{'QID' if event.queue_id else 'NOQUEUE'}: {event.action}: {tail}"
        case records.Accepted():
            return f"QID: client={event.client}"
        case records.Note():
            return f"{event.severity}: {event.text}" if event.severity else event.text
    return None


@dataclasses.dataclass
class Stage_:
    """A service with fakes, and what it did."""

    service: SmtpdService
    messages: list[NewMessage]
    events: list[records.Event]

    @property
    def log(self) -> list[str]:
        return [line for event in self.events if (line := log_line(event)) is not None]


async def header_like(word: str) -> bool:
    return word in ("CONNECT", "GET", "POST") or not ("A" <= word[:1].upper() <= "Z")


def stage(parameters: dict[str, Any] | None = None, lookups: Lookups | None = None, **parts: Any) -> Stage_:
    """A service over fakes. `parameters`: by name, text as in main.cf."""
    defaults = {
        "myhostname": "mail.example.test", "smtpd_banner": "mail.example.test ESMTP Postfix", "smtpd_error_sleep_time": 0,
        "smtpd_forbid_bare_newline": "no",
    }  # fmt: skip
    settings = default(SmtpdSettings, **defaults | (parameters or {}))
    messages: list[NewMessage] = []
    events: list[records.Event] = []
    ids = itertools.count(1_700_000_000_000_000)

    async def store(message: NewMessage) -> None:
        messages.append(message)

    arguments: dict[str, Any] = {
        "name": "2525", "policy": FakePolicy(), "admission": FakeAdmission(store), "new_id": lambda: QueueId(next(ids), 0),
        "resolver": FakeResolver(), "counters": LocalCounters(lambda: 0.0), "emit": events.append,
        "clock": lambda: 1_700_000_000.0, "lookups": lookups or Lookups(forbidden=header_like),
    }  # fmt: skip
    return Stage_(SmtpdService(settings, **(arguments | parts)), messages, events)


class Client:
    """The other end of a session in memory."""

    def __init__(self, service: SmtpdService, peer: str = "127.0.0.2") -> None:
        self.transport = MemoryTransport(peer)
        self.protocol = service.protocol()
        self.protocol.connection_made(self.transport)

    async def settle(self) -> list[str]:
        """Let the session work; what it said."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.transport.take()

    async def say(self, data: bytes, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> list[str]:
        said: list[str] = []
        for part in cut(data):
            if not self.transport.closed:
                self.protocol.data_received(part)
            said += await self.settle()
        return said

    async def close(self) -> None:
        self.protocol.connection_lost(None)
        await self.settle()


def _unescape(text: str) -> bytes:
    if text.endswith("\\c"):
        return codecs.escape_decode(text[:-2].encode())[0]
    return codecs.escape_decode(text.encode())[0] + b"\r\n"


async def play(script: str, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> tuple[list[str], list[str], Stage_]:
    """Play a conversation; (lines expected, lines that came, what happened)."""
    lines = [line for line in script.splitlines() if line and not line.startswith("#")]
    parameters: dict[str, Any] = {}
    for line in lines:
        if line.startswith("set: "):
            name, _, value = line[5:].partition("=")
            parameters[name.strip()] = value.strip()
    scene = stage(parameters)
    client = Client(scene.service)
    came = ["S: " + said for said in await client.settle()]
    expected: list[str] = []
    for kind, group in itertools.groupby((line for line in lines if line[:3] in ("C: ", "S: ", "END")), lambda line: line[0]):
        if kind == "C":
            came += ["S: " + said for said in await client.say(b"".join(_unescape(line[3:]) for line in group), cut)]
        else:
            expected += group
    if client.transport.closed:
        came.append("END")
    await client.close()
    id_free = [line.partition("queued as ")[0] + "queued as QID" if "queued as" in line else line for line in came]
    return expected, id_free, scene


def logged(script: str) -> list[str]:
    """The log lines that a conversation file expects."""
    return [line[3:] for line in script.splitlines() if line.startswith("L: ")]
