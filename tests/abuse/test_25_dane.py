"""Somebody between us and a server that has TLSA records (RFC 7672 §1.3): whatever is done to STARTTLS, the handshake, the
certificate or the answers of the DNS, the mail waits and nothing of it is said; and nobody else's mail waits with it."""

import hashlib
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.support.certificate import Certificate, make
from tests.support.running import MASTER, System, wait_for
from tests.support.signed_dns import SignedDns
from tests.support.sink import Answer, Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

_TLS = (b"STARTTLS", b"8BITMIME")


def _hangs_up(connection: socket.socket) -> None:
    connection.sendall(b"220 2.0.0 go ahead\r\n")
    connection.recv(65536)
    raise EOFError


def _falls_silent(connection: socket.socket) -> None:
    connection.sendall(b"220 2.0.0 go ahead\r\n")
    while connection.recv(65536):
        pass
    raise EOFError


class Case(Struct, frozen=True):
    """`records`: `{key}` is the right key; `forged`: DNSSEC finds a lie in their zone."""

    reason: str
    answers: dict[str, Answer] = {}
    keywords: tuple[bytes, ...] = _TLS
    own: bool = True
    records: str = "3 1 1 {key}"
    forged: bool = False


CASES = {
    "taken away": Case("TLS is required, but was not offered", keywords=(b"8BITMIME",)),
    "no EHLO": Case("TLS is required, but was not offered", {"EHLO": b"502 5.5.1 what\r\n"}),
    "refused": Case("refused to start TLS", {"STARTTLS": b"454 4.7.0 not now\r\n"}),
    "hung up on": Case("Cannot start TLS", {"STARTTLS": _hangs_up}),
    "silent": Case("Cannot start TLS", {"STARTTLS": _falls_silent}),
    "another certificate": Case("Server certificate not verified", own=False),
    "another certificate of that name": Case("Server certificate not verified", own=False, records="2 1 1 {key}"),
    "forged records": Case("TLSA lookup error", own=False, records="3 1 1 {evil}", forged=True),
    "unusable records, taken away": Case("TLS is required, but was not offered", keywords=(b"8BITMIME",), records="0 0 0 00"),
}


QUIET = 80
"""Domains about which the name server does not say whether there are records: less than smtp's processes."""


class World:
    """Mail has been sent to all, and to `honest.test`."""

    def __init__(self, folder: Path) -> None:
        right, evil = make(folder / "right", "mx.test"), make(folder / "evil", "mx.test")
        self.sinks = {
            name: Sink(case.answers, keywords=case.keywords, tls=_context(right if case.own else evil))
            for name, case in CASES.items()
        }
        self.honest = Sink(keywords=_TLS, tls=_context(right))
        keys = {"key": _key(right), "evil": _key(evil)}
        lines, forged, routes = [], [], []
        for name, (sink, case) in {
            **{f"case{number}": (self.sinks[name], CASES[name]) for number, name in enumerate(CASES)},
            "honest": (self.honest, Case("")),
        }.items():
            lines += (f"{name}.test MX 10 mx.{name}.test", f"mx.{name}.test A 127.0.0.1")
            lines.append(f"_{sink.port}._tcp.mx.{name}.test TLSA {case.records.format(**keys)}")
            routes.append(f"{{ {name}.test = smtp:{name}.test:{sink.port} }}")
            forged += [f"_tcp.mx.{name}.test"] * case.forged
        lines += [f"quiet{number}.test MX 10 mx.quiet.test" for number in range(QUIET)] + ["mx.quiet.test A 127.0.0.1"]
        routes += (f"{{ quiet{number}.test = smtp:quiet{number}.test:{self.honest.port} }}" for number in range(QUIET))
        self.dns = SignedDns("\n".join(lines), tuple(forged), ("_tcp.mx.quiet.test",))
        main = {
            "smtp_dns_support_level": "dnssec",
            "smtp_tls_security_level": "dane",
            "smtp_starttls_timeout": "2s",
            "transport_maps": f"inline:{{ {', '.join(routes)} }}",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "1s",
            "queue_run_delay": "1s",
        }
        self.system = System(main, MASTER, prefix=self.dns.prefix)
        self.system.start()
        for domain in (*(f"case{number}" for number in range(len(CASES))), "honest"):
            assert self.system.send(sender="a@example.com", to=f"b@{domain}.test")

    def close(self) -> None:
        self.system.stop()
        self.dns.close()
        for sink in (*self.sinks.values(), self.honest):
            sink.close()


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


def _key(certificate: Certificate) -> str:
    command = ["openssl", "pkey", "-in", certificate.key, "-pubout", "-outform", "DER"]
    return hashlib.sha256(subprocess.run(command, check=True, capture_output=True).stdout).hexdigest()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("dane"))
    yield made
    made.close()


@pytest.mark.parametrize(("number", "name"), list(enumerate(CASES)))
def test_the_mail_waits_and_nothing_of_it_is_said(world: World, number: int, name: str) -> None:
    for _ in range(2):  # by then it has waited for longer than minimal_backoff_time
        world.system.logged(f"to=<b@case{number}.test>", "status=deferred", CASES[name].reason, seconds=30)
    sink = world.sinks[name]
    assert not sink.taken
    assert {line.split(b" ")[0] for line in sink.commands} <= {b"EHLO", b"HELO", b"STARTTLS", b"QUIT"}


def test_the_mail_of_others_arrives(world: World) -> None:
    wait_for(lambda: world.honest.taken, lambda: world.system.log()[-5000:], 20)
    assert world.honest.taken[0].secure


def test_who_has_no_answer_holds_up_nobody(world: World) -> None:
    """While mail for many domains waits for an answer about TLSA records that does not come, that of others goes on; then it waits,
    and nothing of it is said."""
    before = len(world.honest.taken)
    for number in range(QUIET):
        assert world.system.send(sender="a@example.com", to=f"b@quiet{number}.test")
    assert world.system.send("X-Id: between\r\n\r\n", sender="a@example.com", to="b@honest.test")
    wait_for(lambda: len(world.honest.taken) > before, "the mail of others", 8)
    assert "quiet" not in "".join(line for line in world.system.log().splitlines() if "status=" in line)
    world.system.logged("to=<b@quiet0.test>", "status=deferred (TLSA lookup error for mx.quiet.test:", seconds=60)
    assert not [taken for taken in world.honest.taken if any(b"quiet" in to for to in taken.recipients)]
