"""A message's way through a before-queue filter that misbehaves: the client is told of no more than it needs to know, in time, and
what waits for the filter is bounded."""

import asyncio
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.driven_loop import run
from tests.support.stream_servers import Asking, Behave, Reader, Writer, listening

from gatepost.net.server_address import Server
from gatepost.net.stream_port import BreakerRules, Crowd, StreamRules, TimeLimits
from gatepost.receive.proxy_filter import FAILED, Client, ProxyFilter, Verdict

LIMIT = 5
RULES = StreamRules(limits=TimeLimits(turn=LIMIT, connect=LIMIT, write=LIMIT, read=LIMIT, whole=LIMIT), breaker=BreakerRules(0))
CLIENT = Client("192.0.2.1", {})


def a_filter(
    server: Server | None, folder: Path, warned: list[str], *, waits: bool = False, rules: StreamRules = RULES
) -> ProxyFilter:
    """One at `server`."""
    assert server is not None
    client = Asking(server, rules).client
    return ProxyFilter("filter:1", "mail.example.test", client, waits, lambda: folder, warned.append)


async def say(writer: Writer, text: bytes) -> None:
    writer.write(text + b"\r\n")
    await writer.drain()


async def hello(reader: Reader, writer: Writer, *, until: bytes = b"DATA") -> None:
    """A filter that behaves, up to a command."""
    await say(writer, b"220 filter")
    while not (await reader.readline()).startswith(until):
        await say(writer, b"250 ok")


async def well(reader: Reader, writer: Writer) -> None:
    await hello(reader, writer)
    await say(writer, b"354 go")
    await reader.readuntil(b"\r\n.\r\n")
    await say(writer, b"250 2.0.0 taken")
    await reader.read()


async def reads_nothing(reader: Reader, writer: Writer) -> None:
    await hello(reader, writer)
    await say(writer, b"354 go")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(10_000)


async def answers_early(reader: Reader, writer: Writer) -> None:
    await hello(reader, writer)
    await say(writer, b"354 go")
    await reader.readline()
    await say(writer, b"250 2.0.0 taken")
    await asyncio.sleep(10_000)


async def floods_at_the_end(reader: Reader, writer: Writer) -> None:
    await hello(reader, writer)
    await say(writer, b"354 go")
    await reader.readuntil(b"\r\n.\r\n")
    while True:
        await say(writer, b"250-" + b"x" * 1000)


async def floods_at_once(reader: Reader, writer: Writer) -> None:
    while True:
        await say(writer, b"220-" + b"x" * 1000)


async def drips(reader: Reader, writer: Writer) -> None:
    await hello(reader, writer)
    await say(writer, b"354 go")
    await reader.readuntil(b"\r\n.\r\n")
    for octet in b"250 2.0.0 taken, but only after a long time\r\n":
        writer.write(bytes([octet]))
        await asyncio.sleep(LIMIT - 1)


async def dies(reader: Reader, writer: Writer) -> None:
    await hello(reader, writer)
    await say(writer, b"354 go")
    await reader.readline()


async def two_at_once(reader: Reader, writer: Writer) -> None:
    await hello(reader, writer, until=b"RCPT")
    writer.write(b"250 ok\r\n354 go\r\n")
    await asyncio.sleep(10_000)


async def passes(proxy: ProxyFilter, content: int = 100) -> tuple[Any, Verdict | None]:
    """A message through it; the first refusal before the content, and the verdict."""
    passage = proxy.passage("MAIL FROM:<a@example.com>")
    try:
        refusal = await passage.open(CLIENT)
        refusal = refusal or await passage.recipient("RCPT TO:<b@example.net>") or await passage.data("DATA")
        if refusal is not None:
            return refusal, None
        for _ in range(content):
            passage.write(b"x" * 998 + b"\r\n")
            await passage.onward()
        return None, await passage.finish()
    finally:
        passage.abort()


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("behave", "warning"),
    [
        (reads_nothing, "timeout talking to proxy filter:1"),
        (answers_early, "proxy filter:1"),
        (floods_at_the_end, "proxy filter:1: answer without end"),
        (drips, "timeout talking to proxy filter:1"),
        (dies, "lost connection with proxy filter:1"),
    ],
)
def test_a_filter_that_misbehaves_costs_its_client_a_451(tmp_path: Path, behave: Behave, warning: str, waits: bool) -> None:
    async def play() -> None:
        warned: list[str] = []
        async with listening("unix", tmp_path, behave) as peer:
            proxy = a_filter(peer.server, tmp_path, warned, waits=waits)
            began = asyncio.get_running_loop().time()
            refusal, verdict = await passes(proxy, 3000)
            assert (refusal, verdict) == (None, Verdict(FAILED, taken=False, logged=FAILED.line))
            assert asyncio.get_running_loop().time() - began <= 2 * LIMIT
            assert [line for line in warned if warning in line or "lost connection" in line] == warned != []

    run(play())


@pytest.mark.parametrize("behave", [floods_at_once, two_at_once])
def test_before_the_content_as_well(tmp_path: Path, behave: Behave) -> None:
    async def play() -> None:
        warned: list[str] = []
        async with listening("unix", tmp_path, behave) as peer:
            refusal, verdict = await passes(a_filter(peer.server, tmp_path, warned))
            assert (refusal, verdict) == (FAILED, None)
            assert warned

    run(play())


@pytest.mark.parametrize("waits", [False, True])
def test_what_waits_for_a_filter_is_bounded(tmp_path: Path, waits: bool) -> None:
    """30 MB of content for one that takes none: a buffer of the network is in memory, or a spool's."""

    async def play() -> int:
        async with listening("unix", tmp_path, reads_nothing) as peer:
            proxy = a_filter(peer.server, tmp_path, [], waits=waits)
            tracemalloc.start()
            await passes(proxy, 30_000)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

    assert run(play()) < 3_000_000
    assert not [file for file in tmp_path.iterdir() if file.name != "socket"]


def test_a_disk_that_is_full_is_a_451(tmp_path: Path) -> None:
    async def play() -> None:
        warned: list[str] = []
        async with listening("unix", tmp_path, well) as peer:
            proxy = a_filter(peer.server, tmp_path / "nowhere", warned, waits=True)
            assert await passes(proxy, 1000) == (None, Verdict(FAILED, taken=False, logged=FAILED.line))
            assert warned == ["temporary file for proxy filter filter:1: No such file or directory"]
            assert peer.accepted == 0
            verdict = (await passes(proxy, 10))[1]  # which stays in memory
            assert verdict is not None
            assert verdict.taken

    run(play())


def test_one_that_is_away_is_not_waited_for(tmp_path: Path) -> None:
    """As every server that Gatepost asks (helper_failure_limit)."""

    async def play() -> None:
        warned: list[str] = []
        proxy = a_filter(Server("x", path=str(tmp_path / "none")), tmp_path, warned, rules=StreamRules(breaker=BreakerRules(2, 10)))
        assert [(await passes(proxy))[0] for _ in range(3)] == [FAILED] * 3
        assert warned == [
            "connect to proxy filter filter:1: No such file or directory",
            "connect to proxy filter filter:1: No such file or directory",
            "connect to proxy filter filter:1: counts as away",
        ]

    run(play())


async def greets_never(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(10_000)


@pytest.mark.parametrize("behave", [greets_never, reads_nothing])
def test_a_session_that_is_ended_meanwhile_gives_its_connection_back(tmp_path: Path, behave: Behave) -> None:
    """Of two connections there are two again, however it was interrupted."""

    async def play() -> None:
        async with listening("unix", tmp_path, behave) as peer:
            proxy = a_filter(peer.server, tmp_path, [], rules=replace(RULES, crowd=Crowd(2, 2, 0)))
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        if behave is greets_never:  # at MAIL, where nobody knows of a transaction yet that would be given up
                            await proxy.passage("MAIL FROM:<>").open(CLIENT)
                        else:
                            await passes(proxy, 3000)
            peer.behave = well
            verdict = (await passes(proxy, 10))[1]
            assert verdict is not None
            assert verdict.taken

    run(play())


def test_a_client_that_goes_gives_the_connection_back(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, well) as peer:
            proxy = a_filter(peer.server, tmp_path, [])
            for _ in range(3 * RULES.crowd.connections):
                passage = proxy.passage("MAIL FROM:<>")
                assert await passage.open(CLIENT) is None
                passage.abort()
                passage.abort()

    run(play())
