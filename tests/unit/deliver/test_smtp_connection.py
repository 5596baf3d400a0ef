"""smtp_per_request_deadline: a server that trickles buys no time, and content must go out at smtp_min_data_rate."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gatepost.deliver import smtp_connection
from gatepost.deliver.plan import Host
from gatepost.deliver.smtp_connection import Broken, Connection, Trouble
from gatepost.proto.smtp.client import Client, ClientStage, Dialect, Transaction

LIMIT = 0.1
TICK = 0.03


PIECE = b"x" * 10


class Wire(asyncio.Transport):
    """A server that is played by hand; after each piece of content it is full."""

    def __init__(self, client: Connection) -> None:
        super().__init__()
        self._client = client

    def write(self, data: Any) -> None:
        if data == PIECE:
            self._client.pause_writing()

    def close(self) -> None: ...


def connection(min_rate: int) -> Connection:
    host = Host("mx.test", "192.0.2.1", 25)
    found = Connection(
        Client(Dialect("me.test")), (LIMIT,) * len(ClientStage), asyncio.get_running_loop(), host, final=True, min_rate=min_rate
    )
    found.connection_made(Wire(found))
    return found


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 10))


async def trickle(to: Connection, octets: bytes) -> None:
    for octet in octets:
        await asyncio.sleep(TICK)
        to.data_received(bytes((octet,)))


@pytest.mark.parametrize(("min_rate", "patient"), [(0, True), (500, False)])
def test_a_reply_octet_by_octet(min_rate: int, patient: bool) -> None:
    async def scene() -> None:
        server = connection(min_rate)
        task = asyncio.ensure_future(trickle(server, b"220 mx\r\n"))
        greeted = asyncio.ensure_future(server.greeted())
        await task
        assert server.closed is not patient
        if patient:
            server.data_received(b"250 mx\r\n")
            await greeted
        else:
            with pytest.raises(Broken) as broken:
                await greeted
            assert broken.value.trouble is Trouble.TIMEOUT
        server.close()

    play(scene)


def test_a_trickle_does_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without smtp_per_request_deadline: each octet buys time, up to a limit."""
    monkeypatch.setattr(smtp_connection, "_PATIENCE", 3)

    async def scene() -> None:
        server = connection(0)
        task = asyncio.ensure_future(trickle(server, b"noise\n" * 100))
        with pytest.raises(Broken) as caught:
            await server.greeted()
        assert caught.value.trouble is Trouble.TIMEOUT
        task.cancel()

    play(scene)


def test_whole_replies_buy_time() -> None:
    async def scene() -> None:
        server = connection(500)
        greeted = asyncio.ensure_future(server.greeted())
        for line in (b"220-mx\r\n220 mx\r\n", b"250 mx\r\n"):
            await asyncio.sleep(LIMIT * 0.8)
            server.data_received(line)
        await greeted
        server.close()

    play(scene)


@pytest.mark.parametrize(("min_rate", "patient"), [(0, True), (1_000_000, False), (100, True)])
def test_content_that_goes_out_slowly(min_rate: int, patient: bool) -> None:
    async def scene() -> None:
        server = connection(min_rate)
        greeted = asyncio.ensure_future(server.greeted())
        server.data_received(b"220 mx\r\n")
        server.data_received(b"250 PIPELINING\r\n")
        await greeted
        running = asyncio.ensure_future(server.run(Transaction(b"MAIL\r\n", [b"RCPT\r\n"]), [PIECE] * 9))
        await asyncio.sleep(0)
        server.data_received(b"250 ok\r\n250 ok\r\n354 go\r\n")
        for _ in range(8):
            await asyncio.sleep(TICK)
            server.resume_writing()
        assert server.closed is not patient
        server.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene)


class Written(asyncio.Transport):
    """What a server is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.octets = b""
        self.high: int | None = None
        self.ended = asyncio.Event()

    def write(self, data: Any) -> None:
        self.octets += data
        if data == b".\r\n":
            self.ended.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def close(self) -> None: ...


@pytest.mark.parametrize("pieces", [[b"x\r\n.\r\n"], [b"x\r\n", b".\r\n"], [b"x", b"\r", b"\n.", b"\r", b"\n"]])
@pytest.mark.parametrize("hangs_up", [False, True])
def test_an_end_of_data_that_waits(pieces: list[bytes], hangs_up: bool) -> None:
    """smtp_pix_workaround_delay_time."""

    async def scene() -> None:
        server, wire = connection(0), Written()
        server.connection_made(wire)
        greeted = asyncio.ensure_future(server.greeted())
        server.data_received(b"220 mx\r\n")
        server.data_received(b"250 PIPELINING\r\n")
        await greeted
        server.dot_delay = TICK
        running = asyncio.ensure_future(server.run(Transaction(b"MAIL\r\n", [b"RCPT\r\n"]), pieces))
        await asyncio.sleep(0)
        server.data_received(b"250 ok\r\n250 ok\r\n354 go\r\n")
        assert wire.octets.endswith(b"DATA\r\nx\r\n")
        assert wire.high == 0
        if hangs_up:
            server.connection_lost(None)
            with pytest.raises(Broken):
                await running
            await asyncio.sleep(2 * TICK)
        else:
            await wire.ended.wait()
            server.data_received(b"250 taken\r\n")
            await running
        assert wire.octets.endswith(b"x\r\n" if hangs_up else b"x\r\n.\r\n")
        server.close()

    play(scene)
