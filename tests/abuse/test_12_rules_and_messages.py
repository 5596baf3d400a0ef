"""Class 12, and what class 9 has of sizes: rules and messages that would take for ever, against a running scanner.

Each is answered within the scanner's limits, and so is the message after it.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest

from gatepost.filter.facts import Facts, Request
from gatepost.filter.port import Session
from gatepost.filter.scanning import ScanFailed
from gatepost.mail.content import MemoryContent
from gatepost.service.scanner.client import ScannerClient
from tests.support.running import System, wait_for

RULES = r"""
header LOUD Subject =~ /LOUD/
body SLOW_BODY /(a+)+[bc]/
header SLOW_HEADER Subject =~ /^(\w+\s?)*$/
full SLOW_FULL /(x+x+)+y/
rawbody SLOW_RAW /(?:.*,)*;/
uri SLOW_URI /(?:a|aa)+$/
"""
MAIN = {
    "worker_processes": "1",
    "filter_before_queue": "yes",
    "filter_rules_directories": "{dir}/rules",
    "filter_scan_pattern_time_limit": "1s",
    "filter_scan_time_limit": "10s",
    "message_size_limit": "0",
}
HEAD = b"From: a@a.example\r\nTo: b@b.example\r\n"
PART = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
NESTED = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (depth, depth) for depth in range(300))

MESSAGES = {
    "letters": HEAD + b"Subject: x\r\n\r\n" + b"a" * 200_000 + b"!\r\n",
    "words": HEAD + b"Subject: " + b"word " * 20_000 + b"!\r\n\r\nx\r\n",
    "x": HEAD + b"Subject: x\r\n\r\n" + b"x" * 300_000 + b"\r\n",
    "links": HEAD
    + b"Subject: x\r\n\r\n"
    + b" ".join(b"http://%d.example.com/aaaaaaaaaaaaaaa!" % n for n in range(20_000))
    + b"\r\n",
    "a long line": HEAD + b"Subject: x\r\n\r\n" + b"," * 5_000_000 + b"\r\n",
    "a long header": HEAD + b"Subject: " + b"y" * 5_000_000 + b"\r\n\r\nx\r\n",
    "many headers": HEAD + b"X: y\r\n" * 100_000 + b"\r\nx\r\n",
    "many parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + PART * 10_000 + b"--b--\r\n",
    "deep parts": HEAD + NESTED + b"x\r\n",
    "tags": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div><table><tr><td>" * 20_000 + b"\r\n",
    "thirty megabytes": HEAD + b"Subject: LOUD\r\n\r\n" + b"hello world " * 2_600_000 + b"\r\n",
    "nothing": b"",
}


@pytest.fixture(scope="module")
def scanners() -> Iterator[System]:
    system = System(MAIN)
    (system.folder / "rules").mkdir()
    (system.folder / "rules" / "local.cf").write_text(RULES)
    with system:
        wait_for(lambda: _answers(system), "a scanner", 30)
        yield system


def _scanned(system: System, message: bytes) -> Facts:
    client = ScannerClient(system.spool / "gatepost" / "scanner", 60)
    return asyncio.run(client.scan(Request(Session()), MemoryContent(message)))


def _answers(system: System) -> bool:
    try:
        return [hit.rule for hit in _scanned(system, b"Subject: LOUD\r\n\r\n").hits][:1] == ["LOUD"]
    except ScanFailed:
        return False


@pytest.mark.parametrize("what", MESSAGES)
def test_it_is_answered_within_the_limits(scanners: System, what: str) -> None:
    facts = _scanned(scanners, MESSAGES[what])
    assert sum(facts.seconds.values()) < 10
    assert not facts.faults
    assert _answers(scanners)


def test_rules_that_were_given_up_are_named(scanners: System) -> None:
    facts = _scanned(scanners, MESSAGES["letters"])
    assert "SLOW_BODY" in {one.name for one in facts.unexamined}


def test_who_says_nothing_is_left(scanners: System) -> None:
    """A worker that connects and is silent holds a scanner up for a while only; here it goes before."""

    async def connect() -> None:
        _, writer = await asyncio.open_unix_connection(scanners.spool / "gatepost" / "scanner")
        writer.write(b"\x00")
        await writer.drain()
        writer.close()

    began = time.monotonic()
    asyncio.run(connect())
    wait_for(lambda: _answers(scanners), "an answer for the next one", 10)
    assert time.monotonic() - began < 10
