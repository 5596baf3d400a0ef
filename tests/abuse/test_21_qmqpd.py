"""Classes 2, 7, 21 and 22 for qmqpd: recipients without end, lengths that promise much, noise, silence, and octets that
are meant for others."""

import random
import re
import socket
from collections.abc import Iterator

import pytest

from tests.support.running import MASTER, System, wait_for
from tests.support.sink import Sink

_LINE = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/[a-z-]+\[\d+\]: .*$")
_MAIN = {
    "qmqpd_authorized_clients": "127.0.0.1",
    "qmqpd_error_delay": "0s",
    "qmqpd_timeout": "3s",
    "worker_processes": "1",
}
_LINES = "127.0.0.1:{second} inet n - n - - qmqpd\n127.0.0.1:{third} inet n - n - - qmqpd -o qmqpd_authorized_clients=192.0.2.1\n"
HI = b"Subject: x\n\nhi\n"


def netstring(octets: bytes) -> bytes:
    return b"%d:%b," % (len(octets), octets)


def packet(message: bytes, *addresses: bytes) -> bytes:
    return netstring(netstring(message) + b"".join(map(netstring, addresses)))


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as one:
        yield one


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    with System(_MAIN, MASTER + _LINES, relay=sink.port) as one:
        yield one


def hears(port: int, *octets: bytes) -> bytes:
    """What a client hears that sends these, as far as it can."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        try:
            for piece in octets:
                client.sendall(piece)
            while part := client.recv(9999):
                heard += part
        except (BrokenPipeError, ConnectionResetError):
            pass  # there was more than it wanted to read
    return heard


def works(system: System) -> None:
    assert b"KOk: queued as " in hears(system.second, packet(HI, b"a@b.test", b"x@example.net"))


@pytest.mark.parametrize("address", [b"", b"x", b"x@example.net"])
def test_recipients_without_end_are_too_many(system: System, address: bytes) -> None:
    before = system.resident()
    flood = netstring(address) * 100_000
    heard = hears(system.second, b"999999999999:", netstring(HI), netstring(b"a@b.test"), *[flood] * 40)
    assert heard in (b"", b"72:Dnetstring length exceeds storage limit while receiving recipient address,")
    system.logged("netstring length exceeds storage limit while receiving recipient address")
    assert system.resident() < before + 80_000_000
    works(system)


@pytest.mark.parametrize(
    "octets",
    [
        b"999999999999999999:999999999999999999:",
        b"99999999999999999999999999999999999999:",
        b"999999999999:5:12345,999999999999:",
        b"999999999999:5:12345,1:a,999999999999:",
        b"-5:",
        b"1:0:,",
        b"3:0:,0:,",
        b"\xff" * 70000,
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_a_length_is_believed_only_where_there_is_room(system: System, octets: bytes) -> None:
    assert hears(system.second, octets)[:20].partition(b":")[2][:1] in (b"D", b"")
    works(system)


def test_noise(system: System) -> None:
    chance = random.Random(21)
    well = packet(HI, b"a@b.test", b"x@example.net")
    for _ in range(100):
        spoilt = bytearray(well)
        for _ in range(chance.randint(1, 4)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        cut = chance.randrange(len(spoilt))
        with socket.create_connection(("127.0.0.1", system.second), 30) as client:
            client.sendall(bytes(spoilt[:cut]))
            client.sendall(bytes(spoilt[cut:]))
    works(system)
    assert all(map(_LINE.match, system.log().splitlines()))


@pytest.mark.parametrize(
    "address", [b"a\nb@example.net", b"a\r\n250 ok@example.net", b"a\0b@example.net", b"\x1b[2J@example.net", b"a@b\x7f.test"]
)
@pytest.mark.parametrize("who", ["sender", "recipient"])
def test_no_address_writes_lines(system: System, address: bytes, who: str) -> None:
    addresses = (address, b"x@example.net") if who == "sender" else (b"a@b.test", address)
    assert hears(system.second, packet(HI, *addresses)).endswith(b":DError: malformed address,")
    assert all(map(_LINE.match, system.log().splitlines()))


def test_a_message_stays_one_message(system: System, sink: Sink) -> None:
    """What would end it for an SMTP server is content (smuggling out)."""
    smuggled = b"MAIL FROM:<evil@b.test>\nRCPT TO:<x@example.net>\nDATA\nSubject: smuggled\n\n"
    for number, end in enumerate((b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r\n", b"\r\n.\n")):
        mark = b"Subject: outer %d\n\nbody" % number
        assert b"KOk" in hears(system.second, packet(mark + end + smuggled, b"a@b.test", b"x@example.net"))
        found = lambda: [m for m in list(sink.taken) if b"outer %d" % number in m.content]  # noqa: E731
        (message,) = wait_for(found, "the message")
        assert b"Subject: smuggled" in message.content
    assert not [m for m in sink.taken if m.content.lstrip().startswith(b"Subject: smuggled")]


def test_who_is_not_listed_is_refused_before_the_message(system: System) -> None:
    before = system.resident()
    heard = hears(system.third, b"999999999:", netstring(b"x" * 5_000_000))
    assert heard in (b"", b"75:DError: unknown[127.0.0.1] is not authorized to use this service,") or b"not authorized" in heard
    assert system.resident() < before + 20_000_000


def test_silence_ends(system: System) -> None:
    """One that says nothing, and one that stops in the middle; meanwhile others are served."""
    with socket.create_connection(("127.0.0.1", system.second), 30) as silent:
        with socket.create_connection(("127.0.0.1", system.second), 30) as halfway:
            halfway.sendall(packet(HI, b"a@b.test", b"x@example.net")[:20])
            works(system)
            assert (silent.recv(1), halfway.recv(1)) == (b"", b"")
    system.logged("read/write timeout while receiving QMQP packet header")
    system.logged("read/write timeout while receiving message content")
