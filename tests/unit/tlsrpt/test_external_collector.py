"""What becomes of sessions that a collector of others should hear of."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from tests.support.fake_dns import FakeDns

from gatepost.tlsrpt import external_collector
from gatepost.tlsrpt.external_collector import ExternalCollector
from gatepost.tlsrpt.outcome import NO_POLICY, TlsOutcome

ZONE = """
_smtp._tls.a.test TXT v=TLSRPTv1;rua=mailto:r@a.test
_smtp._tls.later.test SERVFAIL
"""
START = 1000.0


class Scene:
    """A collector of ours for the socket at `path`."""

    def __init__(self, path: Path) -> None:
        self.now = START
        self.warned: list[str] = []
        self.collector = ExternalCollector(str(path), FakeDns(ZONE), lambda: self.now, self.warned.append)

    def tell(self, *domains: str) -> None:
        for name in domains:
            self.collector.observe(TlsOutcome(name, NO_POLICY, f"mx.{name}", "192.0.2.1"))

    def store(self) -> None:
        asyncio.run(self.collector.store())


def test_domains_that_want_reports_are_told_of(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        other.bind(str(tmp_path / "socket"))
        scene.tell("silent.test", "later.test", "A.test", "[192.0.2.1]")
        scene.store()
        assert json.loads(other.recv(65536))["d"] == "a.test"
        with pytest.raises(BlockingIOError):
            other.recv(65536)
    assert scene.warned == []


def test_what_nobody_takes_is_lost_with_a_warning_a_minute(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "socket")
    for passed, warnings in ((0, 1), (59, 1), (60, 2), (-1000, 3)):
        scene.now = START + passed
        scene.tell("a.test", "a.test")
        scene.store()
        assert len(scene.warned) == warnings
    assert scene.warned[0].endswith("socket: No such file or directory; what TLS came to is not told")


def test_what_comes_while_too_many_wait_is_lost_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_collector, "MOST_WAITING", 3)
    scene = Scene(tmp_path / "socket")
    scene.tell("a.test", "a.test", "a.test")
    assert scene.warned == []
    scene.tell("a.test", "a.test")
    assert [text.partition("socket: ")[2] for text in scene.warned] == ["3 sessions wait; what TLS came to is not told"]
