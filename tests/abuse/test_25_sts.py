"""Somebody between us and a domain with a policy of MTA-STS (RFC 8461 §10), or a domain that means harm with its own: what was
known goes on counting, nothing that a policy host does holds up the mail of others, and what is kept of it all is bounded."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.policy_host import page, policy
from tests.support.running import wait_for
from tests.support.sink import Sink
from tests.support.sts_world import TLS, Domain, StsWorld

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def _without_end(connection: socket.socket) -> None:
    """More and more of a policy."""
    connection.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"mx: a.test\n".ljust(0x1000, b"\n") + b"\r\n")


def _drop_by_drop(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"Content-Length: 60000\r\n\r\n")
    for _ in range(600):
        connection.sendall(b"x")
        time.sleep(0.1)


def _headers_without_end(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")


def _silent(connection: socket.socket) -> None:
    time.sleep(60)


def _cut_short(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"Content-Length: 600\r\n\r\n" + policy("enforce", "mx.cutshort.test"))
    connection.close()


HARMFUL = {
    "endless": _without_end,
    "slow": _drop_by_drop,
    "headers": _headers_without_end,
    "silent": _silent,
    "cutshort": _cut_short,
    "nothttp": b"220 mx.test ESMTP\r\n" * 10,
    "nul": page(b"version: STSv1\nmode: enforce\nmx: a\0.test\nmax_age: 1\n"),
    "binary": page(bytes(range(256)) * 200),
    "toolong": page(policy("enforce", *("mx.toolong.test",) * 5000)),
    "lines": page(b"version: STSv1\nmode: enforce\nmax_age: 1\n" + b":\n" * 20000),
    "loghole": page(b"x", "200 OK", "text/plain\x1b[2J"),
    "answered": page(policy("enforce", "mx.answered.test"), more="Set-Cookie: a=b\r\nLocation: https://mta-sts.other.test/\r\n"),
}
"""What a policy host answers; the mail of all of them arrives, with or without a policy."""

ONCE = ("stripped", "swapped", "moved", "refused")
"""Domains whose policy is known before somebody comes in between."""


@pytest.fixture(scope="module")
def world() -> Iterator[StsWorld]:
    domains = {label: Domain(answer) for label, answer in HARMFUL.items()} | {label: Domain() for label in (*ONCE, "honest")}
    made = StsWorld(domains, {"smtp_tls_mta_sts_timeout": "3s", "worker_processes": "1"})
    try:
        made.system.start()
        for label in (*HARMFUL, *ONCE):
            made.send(label)
        made.begun = time.monotonic()  # type: ignore[attr-defined]
        made.send("honest")
        yield made
    finally:
        made.close()


def test_the_mail_of_others_does_not_wait(world: StsWorld) -> None:
    taken = wait_for(lambda: world.sinks["honest"].taken, lambda: world.system.log()[-5000:], 20)
    assert taken[0].secure
    line = world.system.logged("to=<b@honest.test>", "status=sent")
    assert float(line.partition(" delay=")[2].partition(",")[0]) < 3  # less than the time limit of a policy host that is silent


@pytest.mark.parametrize("label", HARMFUL)
def test_mail_for_a_domain_with_a_harmful_policy_host_arrives(world: StsWorld, label: str) -> None:
    world.system.logged(f"to=<b@{label}.test>", "status=sent", seconds=30)
    assert len(world.sinks[label].taken) == 1
    log = world.system.log()
    assert "\x1b" not in log
    assert ("cannot be fetched" in log.partition(f"MTA-STS policy of {label}.test ")[2].partition("\n")[0]) is (label != "answered")


def test_a_harmful_policy_host_is_not_asked_again_and_again(world: StsWorld) -> None:
    for label in HARMFUL:
        world.system.logged(f"to=<b@{label}.test>", "status=sent", seconds=30)
    before = list(world.policies.asked)
    for label in HARMFUL:
        world.send(label)
    for label in HARMFUL:
        wait_for(lambda label=label: len(world.sinks[label].taken) == 2, lambda: world.system.log()[-5000:], 20)
    assert world.policies.asked == before


def test_what_was_known_goes_on_counting(world: StsWorld) -> None:
    """The record is taken away, the policy host replaced, and the server by one that offers no TLS, or TLS with another name."""
    for label in ONCE:
        world.system.logged(f"to=<b@{label}.test>", "status=sent", seconds=30)
    world.system.stop()  # which forgets what the name server has said
    world.dns.change(world.zone(without=("stripped", "swapped"), moved="2", refused="2"))
    world.policies.answers["moved.test"] = page(b"", "301 Moved Permanently", more="Location: https://mta-sts.honest.test/\r\n")
    world.policies.answers["refused.test"] = page(policy("none"), "503 Service Unavailable")
    for label in ONCE:
        world.sinks[label].keywords = TLS if label == "swapped" else (b"8BITMIME",)
    world.sinks["swapped"].tls = world.sinks["honest"].tls
    for label in ONCE:
        world.sinks[label].commands.clear()
        world.sinks[label].taken.clear()
    world.system.start()
    for label in ONCE:
        world.send(label)
    for label in ONCE:
        reason = "Server certificate not verified" if label == "swapped" else "TLS is required, but was not offered"
        world.system.logged(f"to=<b@{label}.test>", "status=deferred", reason, seconds=20)
        assert not world.sinks[label].taken
        assert {line.split(b" ")[0] for line in world.sinks[label].commands} <= {b"EHLO", b"STARTTLS", b"QUIT"}
    for label in ("moved", "refused"):
        line = world.system.logged(f"MTA-STS policy of {label}.test cannot be fetched: ")
        assert "warning: " in line
        assert line.endswith("; the one that is known goes on counting")


_MANY = '{0} MX 10 mx.honest.test\n_mta-sts.{0} TXT "v=STSv1; id=1;"\nmta-sts.{0} A {1}'


def test_many_domains_leave_no_more_behind_than_the_store_has_for_them() -> None:
    """Each has a record and no policy; one that is gone costs nothing once its failure counts no more. Memory is bounded in
    tests/unit/deliver/test_sts.py; here are many through the real thing, and mail goes on."""
    with contextlib.ExitStack() as stack:
        world = StsWorld({"honest": Domain()}, {"smtp_tls_mta_sts_timeout": "2s", "worker_processes": "1"})
        stack.callback(world.close)
        sink = stack.enter_context(Sink())
        nobody = f"127.54.{os.getpid() % 256}.255"
        world.dns.change("\n".join([world.zone(), *(_MANY.format(f"d{number}.many.test", nobody) for number in range(300))]))
        world.system.configure({"transport_maps": "", "smtp_tcp_port": str(sink.port)})
        world.system.start()
        worker = world.system.workers()[0]
        before = _descriptors(worker)
        for n in range(300):
            assert world.system.send(sender="a@example.com", to=f"b@d{n}.many.test")
        wait_for(lambda: len(sink.taken) == 300, lambda: world.system.log()[-3000:], 60)
        assert world.system.workers() == [worker]
        wait_for(lambda: _descriptors(worker) <= before + 20, "connections are closed", 20)
        listed = world.system.command("sts", "list").stdout.splitlines()
        assert len(listed) == 301
        assert all(len(line) < 400 for line in listed)


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
