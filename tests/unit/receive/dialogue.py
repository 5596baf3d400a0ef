"""A session over a transport in memory, with simple fakes around it, and a reader of conversation files.

A conversation file has lines `C: text` (sent with CRLF after it; `\\r`, `\\n`, `\\t`, `\\0`, `\\xNN` are escapes, a final `\\c`
leaves the CRLF out), `S: text` (a reply line, exactly), `L: text` (a log line, in order among those expected), `set: name =
value` (a parameter), `END` (the server closed). Consecutive `C:` lines are sent together.
"""

import asyncio
import codecs
import dataclasses
import itertools
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.support.fake_dns import FakeDns
from tests.support.settings import default

from gatepost.admission.gates import Gates, Guards
from gatepost.admission.policy_gate import PolicyGate
from gatepost.admission.port import TAKEN, Admitted, Gate
from gatepost.events import maillog, records
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.policy.port import PERMIT, Facts, Policy, Stage, Verdict
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

    def open(
        self, queue_id: QueueId, *, client: str, origin_service: str, context: str, in_lines: bool = False, guards: Guards | None
    ) -> FakeIntake:
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


def client_names() -> FakeDns:
    """127.0.0.2 has a good name; 127.0.0.4 one without an address, .5 another's, .6 none, .7 and .8 temporary failures."""
    return FakeDns("""
        127.0.0.2 PTR client2.client.test
        127.0.0.4 PTR ghost.client.test
        127.0.0.5 PTR mismatch.client.test
        7.0.0.127.in-addr.arpa SERVFAIL
        127.0.0.8 PTR flaky.client.test
        client2.client.test A 127.0.0.2
        mismatch.client.test A 192.0.2.1
        flaky.client.test SERVFAIL
    """)


_QUEUE_ID = re.compile(r"^((?:\w+: )?)(?!NOQUEUE)[0-9B-Zb-z]{12,}: ")


@dataclasses.dataclass
class Stage_:
    """A service with fakes, and what it did."""

    service: SmtpdService
    messages: list[NewMessage]
    events: list[records.Event]

    @property
    def log(self) -> list[str]:
        """The mail log, with QID for any queue ID."""
        return [_QUEUE_ID.sub(r"\1QID: ", maillog.words(event)) for event in self.events]


async def header_like(word: str) -> bool:
    return word in ("CONNECT", "GET", "POST") or not ("A" <= word[:1].upper() <= "Z")


def stage(
    parameters: dict[str, Any] | None = None,
    lookups: Lookups | None = None,
    *,
    policy: Policy | None = None,
    gates: Sequence[Gate] = (),
    **parts: Any,
) -> Stage_:
    """A service over fakes. `parameters`: by name, text as in main.cf; `gates`: those after policy."""
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

    gates_of = Gates((PolicyGate(policy or FakePolicy()), *gates), records.tell_fault("smtpd", events.append))
    arguments: dict[str, Any] = {
        "name": "2525", "gates": gates_of, "admission": FakeAdmission(store), "new_id": lambda: QueueId(next(ids), 0),
        "resolver": client_names(), "counters": LocalCounters(lambda: 0.0), "emit": events.append,
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
