"""Virus scanners: what clamd says, and what becomes of mail when it says nothing, each way in which that can happen."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.driven_loop import run
from tests.support.fake_dns import FakeDns
from tests.support.settings import default
from tests.support.stream_servers import Behave, Reader, Writer, listening

from gatepost.filter.antivirus.clamd import Clamd
from gatepost.filter.antivirus.port import Clean, Infected, NotScanned, Unscanned, VirusScan
from gatepost.filter.antivirus.settings import VirusSettings, antivirus
from gatepost.net.connect import SocketConnector
from gatepost.net.stream_client import Network

MAIL = b"Subject: hello\r\n\r\nEVIL\r\n"
SIGNATURE = b"EVIL"
STREAM_MAX = 1000


async def whole(reader: Reader, stop: int = 1 << 40) -> bytes | None:
    """The stream that a client sends; None where it is larger than that."""
    assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
    stream = b""
    while length := struct.unpack("!I", await reader.readexactly(4))[0]:
        stream += await reader.readexactly(length)
        if len(stream) > stop:
            return None
    return stream


async def scanning(reader: Reader, writer: Writer) -> None:
    stream = await whole(reader, STREAM_MAX)
    if stream is None:
        writer.write(b"INSTREAM size limit exceeded. ERROR\0")
    else:
        writer.write(b"stream: Evil.Test FOUND\0" if SIGNATURE in stream else b"stream: OK\0")


def saying(answer: bytes) -> Behave:
    async def behave(reader: Reader, writer: Writer) -> None:
        await whole(reader)
        writer.write(answer)

    return behave


async def killed(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\0")
    writer.transport.abort()


async def hanging(reader: Reader, writer: Writer) -> None:
    await whole(reader)
    await asyncio.sleep(10_000)


async def deaf(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(10_000)


cannot = saying(b"stream: Can't open file ERROR\0")
strange = saying(b"no answer\0")
broken_off = saying(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0")
refusing = saying(b"INSTREAM size limit exceeded. ERROR\0")


async def endless(reader: Reader, writer: Writer) -> None:
    while True:
        writer.write(b"stream: " * 1000)
        await writer.drain()


@asynccontextmanager
async def scanners(folder: Path, *behaviours: Behave, **changes: object) -> AsyncIterator[Clamd]:
    """clamds that behave so, in this order."""
    async with asyncio.TaskGroup(), _all(folder, behaviours) as names:
        loop = asyncio.get_running_loop()
        network = Network(SocketConnector(), FakeDns(""), loop.time, asyncio.sleep, lambda: 0.0)
        settings = default(VirusSettings, filter_virus_scanner=names, **changes)
        made = antivirus(settings, network, lambda text: None)
        assert made is not None
        yield made


@asynccontextmanager
async def _all(folder: Path, behaviours: tuple[Behave, ...]) -> AsyncIterator[tuple[str, ...]]:
    if not behaviours:
        yield ()
        return
    own = folder / str(len(behaviours))
    own.mkdir()
    async with listening("unix", own, behaviours[0]) as one, _all(folder, behaviours[1:]) as others:
        assert one.server is not None
        yield (f"unix:{one.server.path}", *others)


def scanned(folder: Path, *behaviours: Behave, mail: bytes = MAIL, **changes: object) -> tuple[VirusScan, float]:
    """What comes of a message, and after how many seconds."""

    async def scan() -> tuple[VirusScan, float]:
        async with scanners(folder, *behaviours, **changes) as scanner:
            now = asyncio.get_running_loop().time
            begun = now()
            return await scanner.scan(lambda: iter((mail,)), len(mail)), now() - begun

    return run(scan())


def test_infected(tmp_path: Path) -> None:
    assert scanned(tmp_path, scanning)[0] == Infected(("Evil.Test",), "clamd")


def test_clean(tmp_path: Path) -> None:
    assert scanned(tmp_path, scanning, mail=b"Subject: hello\r\n\r\n")[0] == Clean("clamd")


@pytest.mark.parametrize("first", [killed, strange, cannot, endless, hanging, deaf])
def test_the_next_one_is_asked(tmp_path: Path, first: Behave) -> None:
    assert scanned(tmp_path, first, scanning)[0] == Infected(("Evil.Test",), "clamd")


@pytest.mark.parametrize("only", [killed, strange, cannot, endless, hanging, deaf])
@pytest.mark.parametrize(
    ("configured", "action"), [("wait", Unscanned.DEFER), ("defer", Unscanned.DEFER), ("pass-marked", Unscanned.PASS_MARKED)]
)
def test_the_declared_action_where_none_answers(tmp_path: Path, only: Behave, configured: str, action: Unscanned) -> None:
    result, seconds = scanned(tmp_path, only, filter_virus_unavailable=configured, filter_virus_time_limit=10)
    assert isinstance(result, NotScanned)
    assert result.action is action
    assert seconds <= 10


def test_nobody_listens(tmp_path: Path) -> None:
    async def scan() -> VirusScan:
        network = Network(SocketConnector(), FakeDns(""), asyncio.get_running_loop().time, asyncio.sleep, lambda: 0.0)
        settings = default(VirusSettings, filter_virus_scanner=(f"unix:{tmp_path}/nobody",), filter_virus_unavailable="defer")
        made = antivirus(settings, network, lambda text: None)
        assert made is not None
        return await made.scan(lambda: iter((MAIL,)), len(MAIL))

    result = run(scan())
    assert isinstance(result, NotScanned)
    assert "No such file or directory" in result.why


def test_mail_waits_while_it_reloads(tmp_path: Path) -> None:
    tries = 0

    async def reloading(reader: Reader, writer: Writer) -> None:
        nonlocal tries
        tries += 1
        await (scanning if tries > 3 else killed)(reader, writer)

    result, seconds = scanned(tmp_path, reloading)
    assert result == Infected(("Evil.Test",), "clamd")
    assert seconds < 10


@pytest.mark.parametrize("action", ["pass-marked", "defer", "reject"])
@pytest.mark.parametrize(
    "why",
    [scanning, saying(b"INSTREAM size limit exceeded. ERROR\0"), saying(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0")],
)
def test_too_large(tmp_path: Path, why: Behave, action: str) -> None:
    mail = MAIL + b"x" * 200_000 if why is scanning else MAIL
    result, _ = scanned(tmp_path, why, mail=mail, filter_virus_too_large=action)
    assert isinstance(result, NotScanned)
    assert result.action is Unscanned(action)


def test_a_larger_limit_elsewhere_is_used(tmp_path: Path) -> None:
    assert scanned(tmp_path, refusing, scanning)[0] == Infected(("Evil.Test",), "clamd")


def test_who_is_away_is_not_waited_for(tmp_path: Path) -> None:
    async def scan() -> list[float]:
        async with scanners(tmp_path, hanging, scanning, helper_failure_limit=2) as scanner:
            now, took = asyncio.get_running_loop().time, []
            for _ in range(4):
                begun = now()
                assert isinstance(await scanner.scan(lambda: iter((MAIL,)), len(MAIL)), Infected)
                took.append(now() - begun)
            return took

    took = run(scan())
    assert [seconds > 10 for seconds in took] == [True, True, False, False]


def test_a_message_that_cannot_be_read(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"Subject: x\r\n"
        raise OSError("disk")

    async def scan() -> None:
        async with scanners(tmp_path, scanning) as scanner:
            with pytest.raises(OSError, match="disk"):
                await scanner.scan(broken, 100)

    run(scan())


@pytest.mark.parametrize(
    ("pieces", "result"),
    [((b"a", b"b"), Clean("clamd")), ((b"a", SIGNATURE, SIGNATURE), Infected(("Evil.Test",), "clamd")), ((), Clean("clamd"))],
)
def test_pieces(tmp_path: Path, pieces: tuple[bytes, ...], result: VirusScan) -> None:
    async def scan() -> VirusScan:
        async with scanners(tmp_path, scanning) as scanner:
            return await scanner.scan_pieces(pieces)

    assert run(scan()) == result


def test_no_scanner_is_named() -> None:
    async def made() -> Clamd | None:
        network = Network(SocketConnector(), FakeDns(""), asyncio.get_running_loop().time, asyncio.sleep, lambda: 0.0)
        return antivirus(default(VirusSettings), network, lambda text: None)

    assert run(made()) is None
