"""Viruses are found by real clamd, in whatever they are wrapped; and clamd and freshclam are kept running."""

import asyncio
import http.server
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatepost.filter.antivirus.clamd import Clamd
from gatepost.filter.antivirus.port import Clean, Infected, NotScanned, Unscanned, VirusScan
from gatepost.filter.antivirus.settings import VirusSettings, antivirus
from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.port import ArchiveLimits
from gatepost.filter.text.parts import parts
from gatepost.net.connect import SocketConnector
from gatepost.net.stream_client import Network
from tests.integration.clamav import EICAR, TESTFILES, ClamAv, attached, base64_part, message, wrappings
from tests.integration.system import System, user_of
from tests.support.fake_dns import FakeDns
from tests.support.running import wait_for
from tests.support.settings import default


@pytest.fixture(scope="module")
def clamav() -> Iterator[ClamAv]:
    one = ClamAv()
    one.start()
    yield one
    one.clean()


def scanned(clamav: ClamAv, *messages: bytes, **changes: object) -> list[VirusScan]:
    """What is found in messages: by clamd in the whole, or in what it does not unpack itself."""

    async def scan() -> list[VirusScan]:
        network = Network(SocketConnector(), FakeDns(""), time.monotonic, asyncio.sleep, random.random)
        scanner = antivirus(default(VirusSettings, filter_virus_scanner=(f"unix:{clamav.socket}",), **changes), network, print)
        assert scanner is not None
        return list(await asyncio.gather(*(both(scanner, one) for one in messages)))

    return asyncio.run(scan())


async def both(scanner: Clamd, octets: bytes) -> VirusScan:
    whole = await scanner.scan(lambda: iter((octets,)), len(octets))
    if isinstance(whole, Clean):
        return await scanner.scan_pieces(listed(parts(octets.replace(b"\r\n", b"\n")), len(octets), ArchiveLimits()).to_scan)
    return whole


def test_in_every_wrapping(clamav: ClamAv) -> None:
    names, messages = zip(*wrappings(), strict=True)
    found = scanned(clamav, *messages)
    assert [name for name, result in zip(names, found, strict=True) if not isinstance(result, Infected)] == []


def test_clamav_testfiles(clamav: ClamAv) -> None:
    files = [path for path in sorted(TESTFILES.iterdir()) if path.stat().st_size < 500_000]
    found = scanned(clamav, *(attached(message(base64_part(path.read_bytes(), path.name))) for path in files))
    # clam_cache_emax.tgz is a test of clamd's cache, with the virus at a depth that it does not count right.
    missed = [path.name for path, result in zip(files, found, strict=True) if not isinstance(result, Infected)]
    assert missed == ["clam_cache_emax.tgz"]


def test_what_is_clean_and_what_is_too_large(clamav: ClamAv) -> None:
    clean, large = scanned(clamav, message(base64_part(b"hello")), message(base64_part(b"hello" * 300_000)))
    assert clean == Clean("clamd")
    assert isinstance(large, NotScanned)
    assert "StreamMaxLength" in large.why


def test_what_clamd_does_not_look_into_is_not_clean(clamav: ClamAv) -> None:
    deep = message(base64_part(EICAR))
    for _ in range(30):
        deep = b"Content-Type: message/rfc822\r\n\r\n" + deep
    result = scanned(clamav, deep)[0]
    assert isinstance(result, NotScanned)
    assert "has not looked at all of it" in result.why


def test_one_that_hangs(clamav: ClamAv) -> None:
    os.kill(clamav.pid, signal.SIGSTOP)
    try:
        result = scanned(clamav, message(base64_part(EICAR)), filter_virus_time_limit=1)[0]
    finally:
        os.kill(clamav.pid, signal.SIGCONT)
    assert isinstance(result, NotScanned)
    assert result.action is Unscanned.DEFER


def test_it_is_kept_running(system: Callable[..., System]) -> None:
    clamav = ClamAv()
    try:
        _kept_running(clamav, system)
    finally:
        clamav.clean()


def _kept_running(clamav: ClamAv, system: Callable[..., System]) -> None:
    main = f"filter_supervise = clamd\nfilter_clamd_config_file = {clamav.folder}/clamd.conf\n"
    one = system(main)
    one.start()
    wait_for(clamav.answers, lambda: f"an answer of clamd\n{one.log()}\n{clamav.log()}")

    def pid() -> int:
        return int((clamav.folder / "run" / "clamd.pid").read_text())

    first = pid()
    assert user_of(first)[0] != 0
    one.reload()
    one.logged("reload")
    assert clamav.answers()
    assert pid() == first, "a reload interrupts no scan"
    os.kill(first, signal.SIGKILL)
    one.logged("antivirus", "clamd: has ended", "started again in 1 s")
    wait_for(lambda: clamav.answers() and pid() != first, lambda: f"another clamd\n{one.log()}")
    clamav.configure("MaxFiles 500\n")
    second = pid()
    one.reload()
    one.logged("clamd: its configuration has changed")
    wait_for(lambda: clamav.answers() and pid() != second, lambda: f"a third clamd\n{one.log()}")
    one.change(main.replace("filter_supervise = clamd", "filter_supervise ="))
    one.reload()
    wait_for(lambda: not clamav.answers(), lambda: f"no clamd, which nobody wants any more\n{one.log()}")
    one.change(main)
    one.reload()
    wait_for(clamav.answers, lambda: f"a fourth clamd\n{one.log()}")
    one.stop()
    assert not clamav.answers()


def test_freshclam_fetches_from_a_mirror(system: Callable[..., System], tmp_path: Path) -> None:
    mirror = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *all: _Mirror(*all, directory=str(tmp_path)))
    threading.Thread(target=mirror.serve_forever, daemon=True).start()
    clamav = ClamAv(mirror.server_port)
    try:
        clamav.sign("more.hdb", "More", b"more than before", tmp_path)
        one = system(f"filter_supervise = freshclam\nfilter_freshclam_config_file = {clamav.folder}/freshclam.conf\n")
        one.start()
        wait_for((clamav.folder / "db" / "more.hdb").exists, lambda: f"signatures\n{one.log()}")
        one.stop()
    finally:
        mirror.shutdown()
        clamav.clean()


class _Mirror(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Nothing."""
