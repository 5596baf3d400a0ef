"""SMTP and LMTP servers in memory, by rules, and an agent that delivers to them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from gatepost.deliver.outgoing import Outgoing
from gatepost.deliver.smtp import SmtpAgent
from gatepost.deliver.smtp_settings import LmtpSettings, SmtpSettings, as_smtp
from gatepost.events.records import Event
from gatepost.mail.content import MemoryContent
from gatepost.mail.delivery import DeliveryRequest, Purpose, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.net.connect import Endpoint
from tests.support.fake_dns import FakeDns
from tests.support.notes import texts
from tests.support.settings import default

EHLO = "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES"
CLOSE = "!close"
SILENCE = "!silence"
Rules = dict[str, str | list[str]]


class Server(asyncio.Transport):
    """A server at the other end of a wire in memory. `rules`: by first word of the command (`CONNECT`, `.` too), the reply, or
    CLOSE or SILENCE; a list: one after the other, the last again and again. `commands`: what it was sent."""

    def __init__(self, rules: Rules, lmtp: bool = False) -> None:
        super().__init__()
        self.rules = {key: list(value) if isinstance(value, list) else [value] for key, value in rules.items()}
        self.commands: list[str] = []
        self.content = b""
        self._lmtp = lmtp
        self._in_content = False
        self._rest = b""
        self._accepted = 0
        self._gone = False

    def attach(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        protocol.connection_made(self)
        self._answer("CONNECT", "220 mx.test ESMTP")

    def write(self, data: Any) -> None:
        if self._gone:
            return
        self._rest += bytes(data)
        while not self._gone and (b"\r\n" in self._rest):
            if self._in_content:
                content, dot, rest = (b"\r\n" + self._rest).partition(b"\r\n.\r\n")
                if not dot:
                    return
                self.content, self._rest = (content + b"\r\n")[2:], rest
                self._in_content = False
                for _ in range(self._accepted if self._lmtp else 1):
                    self._answer(".", "250 2.0.0 stored")
            else:
                line, _, self._rest = self._rest.partition(b"\r\n")
                self._command(line.decode("utf-8", "surrogateescape"))

    def _command(self, line: str) -> None:
        self.commands.append(line)
        verb = line.split()[0]
        usual = {"EHLO": EHLO, "LHLO": EHLO, "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "DATA": "354 go", "QUIT": "221 bye"}
        self._accepted = 0 if verb == "MAIL" else self._accepted
        reply = self._answer(verb, usual.get(verb, "250 2.0.0 ok"))
        self._accepted += verb == "RCPT" and reply.startswith("2")
        self._in_content = verb == "DATA" and reply.rpartition("\n")[2].startswith("3")

    def _answer(self, verb: str, usual: str) -> str:
        replies = self.rules.get(verb, [usual])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply == CLOSE:
            self.close()
        elif reply != SILENCE and not self._gone:
            self._loop.call_soon(self._protocol.data_received, f"{reply}\r\n".encode())
        return reply

    def close(self) -> None:
        if not self._gone:
            self._gone = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Net:
    """A connector: by address, a list of servers in the order of connections, or an error number."""

    def __init__(self, **servers: "list[Server] | int") -> None:
        self.servers = {key.replace("_", "."): value for key, value in servers.items()}
        self.asked: list[Endpoint] = []

    async def connect(self, factory: Callable[[], Any], endpoint: Endpoint, timeout: float) -> Any:
        self.asked.append(endpoint)
        found = self.servers[endpoint.address or "unix"]
        if isinstance(found, int):
            raise OSError(found, "no")
        protocol = factory()
        found.pop(0).attach(protocol)
        return protocol


def names() -> FakeDns:
    """`two.test` has two exchangers; the address of a host is its name, by which `Net` knows its servers."""
    hosts = ("one", "two", "mx", "x.test", "y.test", "fall", "back", *(f"mx{n}" for n in range(50)))
    return FakeDns(["two.test MX 10 one", "two.test MX 20 two", *(f"{host} A {host}" for host in hosts)])


def nowhere() -> Path:
    """No place for long contents: there are none."""
    raise AssertionError("a content was put aside")


def unchanged() -> Outgoing:
    """Of a service without smtp_generic_maps and the like."""
    return Outgoing(staging=nowhere)


class Bench:
    """An agent on `net`, and what it said to the log."""

    def __init__(self, net: Net, lmtp: bool = False, outgoing: Outgoing | None = None, **settings: Any) -> None:
        self.events: list[Event] = []
        smtp = default(SmtpSettings, myhostname="me.test", inet_protocols="ipv4", smtp_quit_timeout=0.05, **settings)
        self.agent = SmtpAgent(
            as_smtp(default(LmtpSettings, myhostname="me.test")) if lmtp else smtp,
            names(), net, outgoing or unchanged(), clock=lambda: 1000.0, shuffle=lambda hosts: None, emit=self.events.append,
        )  # fmt: skip

    async def send(self, nexthop: str = "[mx]:2526", recipients: Sequence[str] = ("x@y.test",), **more: Any) -> Sequence[Report]:
        return await self.agent.deliver(request(nexthop, recipients, **more))

    async def told(self, nexthop: str = "[mx]:2526", recipients: Sequence[str] = ("x@y.test",), **more: Any) -> list[str]:
        reports = sorted(await self.send(nexthop, recipients, **more), key=lambda report: report.recipient.index)
        return [f"{report.outcome.cls.value} {report.outcome.enhanced} {report.outcome.text}" for report in reports]

    @property
    def notes(self) -> list[str]:
        return texts(self.events)


def request(
    nexthop: str,
    recipients: Sequence[str],
    body: bytes = b"Subject: x\r\n\r\nhello\r\n",
    probe: bool = False,
    size: int = 22,
    **envelope: Any,
) -> DeliveryRequest:
    queued = tuple(QueuedRecipient(n, Recipient(address, address)) for n, address in enumerate(recipients))
    content = MemoryContent(body)
    message = ActiveMessage(QueueId(1_700_000_000_000_000, 1), Envelope("s@z.test", **envelope), content, size, queued)
    return DeliveryRequest(message, queued, "smtp", nexthop, Purpose.VERIFY if probe else Purpose.DELIVER)


def run(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 10))  # type: ignore[arg-type]
