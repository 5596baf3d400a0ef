"""One postscreen line on its own in the world, put together by its builder: no socket, in a clock of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.support.driven_loop import run
from tests.support.fake_dns import FakeDns
from tests.support.postscreen_scenes import COMMON, without_chance

from gatepost.config.loading import load
from gatepost.config.master import ServiceEntry
from gatepost.events.maillog import words
from gatepost.events.records import Event
from gatepost.lookup.registry import Tables
from gatepost.proto.proxy import Proxied
from gatepost.receive.session_limit import SessionLimit
from gatepost.service.materials import Materials
from gatepost.service.postscreen import Postscreen, open_service
from gatepost.state.anvil import LocalCounters
from gatepost.state.local_store import LocalStateStore

_EHLO = """PIPELINING SIZE_10240000 VRFY ETRN ENHANCEDSTATUSCODES 8BITMIME DSN SMTPUTF8 CHUNKING""".split()
_EHLO_REPLY = ["250-mail.example.test", *(f"250-{word.replace('_', ' ')}" for word in _EHLO[:-1]), f"250 {_EHLO[-1]}"]


class Wire:
    """A transport, and the client at its other end: `heard` is what has come there and was not looked at."""

    def __init__(self, address: str, protocol: asyncio.BaseProtocol) -> None:
        self._ends = {"peername": (address, 4711), "sockname": ("127.0.0.1", 25)}
        self.protocol = protocol
        self.heard = b""
        self.closed = self.paused = False

    def get_extra_info(self, name: str) -> Any:
        return self._ends.get(name)

    def write(self, octets: bytes) -> None:
        assert not self.closed
        self.heard += octets

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(lambda: self.protocol.connection_lost(None))

    abort = close

    def say(self, octets: bytes) -> None:
        if not self.closed:
            cast(asyncio.Protocol, self.protocol).data_received(octets)

    def hang_up(self) -> None:
        if not self.closed and not cast(asyncio.Protocol, self.protocol).eof_received():
            self.close()


class Smtpd(asyncio.Protocol):
    """Who takes over: says hello and good-bye. `said`: all that it was told."""

    def __init__(self, told: Proxied | None = None) -> None:
        self.told = told
        self.said = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(b"220 mail.example.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.said += data
        for line in data.splitlines():
            if line.startswith(b"EHLO"):
                self._transport.write("".join(f"{one}\r\n" for one in _EHLO_REPLY).encode())
            elif line.startswith(b"QUIT"):
                self._transport.write(b"221 2.0.0 Bye\r\n")
                self._transport.close()

    def eof_received(self) -> bool:
        return False


class SlowDns(FakeDns):
    """It answers, but not at once."""

    async def a(self, name: str) -> tuple[str, ...]:
        await asyncio.sleep(0.5)
        return await super().a(name)


class Screen:
    """One postscreen line, on its own in the world."""

    def __init__(self, folder: Path, settings: dict[str, str], zone: str = "", limit: int = 1000) -> None:
        folder.mkdir(exist_ok=True)
        main = {**COMMON, "myhostname": "mail.example.test", "compatibility_level": "3.6", "mynetworks": "192.0.2.0/24", **settings}
        (folder / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
        (folder / "master.cf").write_text("smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n")
        configuration = load(folder)
        self.entry: ServiceEntry = configuration.services[0]
        self.events: list[Event] = []
        self.faults: list[BaseException] = []
        loop = asyncio.get_running_loop()
        self.store = LocalStateStore(loop.time)
        self.handed_over: list[Smtpd] = []
        self.dns = SlowDns(zone)
        tables = Tables(lambda text: None)
        materials = SimpleNamespace(
            configuration=configuration,
            emitter=lambda entry: self.events.append,
            tables=lambda service, emit, overrides: tables,
            state=self.store,
            counters=LocalCounters(loop.time),
            fault=lambda error, consequence: self.faults.append(error),
            clock=loop.time,
            resolver=self.dns,
        )
        self.limit = SessionLimit(limit)
        self.service: Postscreen = open_service(cast(Materials, materials), cast(Any, None), self.entry, None, self.limit)
        self.service.successor = cast(Any, SimpleNamespace(take_over=self._take_over))

    def _take_over(self, told: Proxied | None) -> asyncio.Protocol:
        self.handed_over.append(Smtpd(told))
        return self.handed_over[-1]

    def connect(self, address: str = "198.51.100.7") -> Wire:
        protocol = self.service.protocol()
        wire = Wire(address, protocol)
        protocol.connection_made(cast(Any, wire))
        return wire

    @property
    def log(self) -> list[str]:
        return [without_chance(words(event)) for event in self.events if event.service == "postscreen"]


async def until(question: Callable[[], object], seconds: float = 400) -> None:
    """Wait until it is so, or that long."""
    for _ in range(50):
        await asyncio.sleep(0)
        if question():
            return
    end = asyncio.get_running_loop().time() + seconds
    while not question() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - what is asked knows no event
        await asyncio.sleep(0.05)


def played(tmp_path: Path, scenes: Callable[[Screen], Awaitable[object]], zone: str = "", **settings: str) -> Screen:
    async def whole() -> Screen:
        screen = Screen(tmp_path / "conf", settings, zone)
        await scenes(screen)
        return screen

    return run(whole())
