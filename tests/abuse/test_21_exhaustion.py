"""Resource exhaustion by what a client says: it dawdles at any step, talks without end, or hands in far too much.

Each is sent away in time, costs a bounded amount of memory, and keeps nobody else waiting.
"""

import contextlib
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificate import make
from tests.support.running import System, wait_for
from tests.support.sink import Sink

MEGABYTE = 1 << 20
TIMEOUT = 1.0  # seconds, smtpd_timeout and its kin here
_PATIENCE = 8.0  # for a busy machine; without a limit they would stay for minutes

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - lmtpd
127.0.0.1:{third} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{fourth} inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy
"""


@pytest.fixture(scope="module")
def system(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    certificate = make(tmp_path_factory.mktemp("tls"), "mail.example.test")
    main = {
        "smtpd_timeout": f"{TIMEOUT:.0f}s",
        "smtpd_starttls_timeout": f"{TIMEOUT:.0f}s",
        "smtpd_upstream_proxy_timeout": f"{TIMEOUT:.0f}s",
        "smtpd_per_request_deadline": "yes",
        "smtpd_error_sleep_time": "0",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
        "smtpd_recipient_limit": "20000",
        "message_size_limit": "0",
        "mailbox_size_limit": "0",
        "transport_maps": "inline:{ {nowhere.example = discard:} }",
    }
    with System(main, _MASTER, relay=sink.port) as one:
        yield one


# --- clients that dawdle ---


def _client_hello() -> bytes:
    """What begins a TLS handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="mail.example.test").do_handshake()
    return outgoing.read()


_TO_RCPT = (b"EHLO client.example.com\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.net>\r\n")
_BODY = b"Subject: slow\r\n\r\n" + b"x" * 1000

STEPS: dict[str, tuple[str, tuple[bytes, ...], bytes]] = {
    # where: the service, what is said before (each is answered), and what never comes to its end
    "before the hello": ("smtp", (), b"EHLO client.example.com" + b"m" * 1000),
    "MAIL": ("smtp", _TO_RCPT[:1], b"MAIL FROM:<" + b"a" * 1000),
    "RCPT": ("smtp", _TO_RCPT[:2], b"RCPT TO:<" + b"b" * 1000),
    "before DATA": ("smtp", _TO_RCPT, b"NOOP" + b" " * 1000),
    "content": ("smtp", (*_TO_RCPT, b"DATA\r\n"), _BODY),
    "a chunk": ("smtp", _TO_RCPT, b"BDAT 2000 LAST\r\n" + _BODY),
    "LMTP content": ("lmtp", (b"LHLO client.example.com\r\n", *_TO_RCPT[1:], b"DATA\r\n"), _BODY),
    "the handshake after STARTTLS": ("smtp", (_TO_RCPT[0], b"STARTTLS\r\n"), _client_hello()),
    "the handshake of a wrapped port": ("wrapped", (), _client_hello()),
    "the header of a proxy": ("proxied", (), b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 " + b"2" * 1000),
}


def _opened(system: System, step: str) -> tuple[socket.socket, bytes]:
    """A connection that has got as far as `step`, and what it would have to say."""
    service, before, unended = STEPS[step]
    port = {"smtp": system.port, "lmtp": system.second, "wrapped": system.third, "proxied": system.fourth}[service]
    connection = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if service in ("smtp", "lmtp"):
        connection.recv(4096)
    for line in before:
        connection.sendall(line)
        assert connection.recv(4096)[:1] in (b"2", b"3"), line
    return connection, unended


def _until_closed(connection: socket.socket) -> bytes:
    """What still comes. Raises TimeoutError where the connection stays open."""
    found = b""
    connection.settimeout(_PATIENCE)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while data := connection.recv(65536):
            found += data
    return found


@pytest.fixture(scope="module")
def dawdlers(system: System) -> Iterator[dict[tuple[str, str], tuple[bytes, float]]]:
    """All dawdlers at one time: what each was told, and after how long it was sent away."""
    ended: dict[tuple[str, str], tuple[bytes, float]] = {}

    def run(way: str, step: str) -> None:
        connection, unended = _opened(system, step)
        begun = time.monotonic()
        dawdle = _stay_silent if way == "silent" else _drip
        with connection:
            told = dawdle(connection, unended)
        ended[way, step] = told, time.monotonic() - begun

    threads = [threading.Thread(target=run, args=(way, step)) for way in ("silent", "drips") for step in STEPS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield ended


def _stay_silent(connection: socket.socket, unended: bytes) -> bytes:
    connection.sendall(unended[:10])
    return _until_closed(connection)


def _drip(connection: socket.socket, unended: bytes) -> bytes:
    """An octet at a time, faster than any limit for a single read."""
    until = time.monotonic() + _PATIENCE
    connection.settimeout(TIMEOUT / 10)
    for octet in unended:
        with contextlib.suppress(TimeoutError):
            try:
                connection.sendall(bytes([octet]))
                return connection.recv(4096)
            except (ConnectionResetError, BrokenPipeError):
                return b""
        assert time.monotonic() < until, "still open"
    raise AssertionError("all was said")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", ["silent", "drips"])
def test_who_dawdles_is_sent_away(dawdlers: dict[tuple[str, str], tuple[bytes, float]], way: str, step: str) -> None:
    told, seconds = dawdlers[way, step]
    assert TIMEOUT * 0.5 < seconds < _PATIENCE
    if STEPS[step][0] in ("smtp", "lmtp") and "handshake" not in step:
        assert told == b"421 4.4.2 mail.example.test Error: timeout exceeded\r\n"


def test_who_does_not_read_replies_is_sent_away(system: System) -> None:
    """What waits to be sent is bounded, and so is the time it may wait."""
    before = system.resident()
    with system.client() as client:
        client.envelope()
        client.socket.settimeout(_PATIENCE)
        chunk, said = b"BDAT 0\r\n" * 8192, 0
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while said < 512 * MEGABYTE:
                said += client.socket.send(chunk)
        assert said < 64 * MEGABYTE
    assert system.resident() - before < 16 * MEGABYTE
    assert system.send("X-Id: after-the-deaf\r\n\r\n")


# --- clients that have too much to say ---


FLOODS = {
    "NOOP": b"NOOP\r\n",
    "RSET": b"RSET\r\n",
    "EHLO": b"EHLO client.example.com\r\n",
    "VRFY": b"VRFY somebody@example.net\r\n",
    "nonsense": b"XYZZY\r\n",
    "blank lines": b"\r\n",
    "refused recipients": b"RCPT TO:<@>\r\n",
    "nested MAIL": b"MAIL FROM:<a@example.com>\r\n",
    "AUTH": b"AUTH PLAIN AGEAYg==\r\n",
    "STARTTLS with an argument": b"STARTTLS now\r\n",
}


@pytest.mark.parametrize("name", FLOODS)
def test_commands_that_lead_nowhere_end_the_session(system: System, name: str) -> None:
    with system.client() as client:
        client.say("EHLO client.example.com")
        client.say("MAIL FROM:<a@example.com>")
        codes = []
        for _ in range(1000):
            codes.append(client.say(FLOODS[name].strip())[0])
            if codes[-1] in (0, 421):
                break
        assert codes[-1] == 421
        assert len(codes) <= 125


def test_a_command_line_without_an_end_takes_no_memory(system: System) -> None:
    before = system.resident()
    with system.client() as client:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(64):
                client.write(b"x" * MEGABYTE)
            assert system.resident() - before < 8 * MEGABYTE
            client.write(b"\r\n")
        assert client.reply()[0] in (0, 421, 500)


def test_ten_thousand_recipients(system: System, sink: Sink) -> None:
    """They are taken, delivered, and other mail does not wait for them."""
    before, number = system.resident(), 10_000
    with system.client() as client:
        client.say("EHLO client.example.com")
        assert client.say("MAIL FROM:<a@example.com>")[0] == 250
        for first in range(0, number, 500):
            client.write(b"".join(b"RCPT TO:<r%d@example.net>\r\n" % n for n in range(first, first + 500)))
            assert {client.reply()[0] for _ in range(500)} == {250}
        assert client.say("DATA")[0] == 354
        client.write(b"X-Id: crowd\r\n\r\nbody\r\n.\r\n")
        assert client.reply()[0] == 250
    assert system.send("X-Id: other\r\n\r\n", to="b@elsewhere.example")
    wait_for(lambda: sink.ids().get("other"), "other mail", 5)
    wait_for(lambda: _recipients(sink, b"crowd") == number, lambda: f"{_recipients(sink, b'crowd')} recipients", 30)
    assert system.resident() - before < 64 * MEGABYTE


def _recipients(sink: Sink, name: bytes) -> int:
    return len({recipient for one in list(sink.taken) if name in one.content for recipient in one.recipients})


def test_too_many_recipients_are_put_off_and_far_too_many_end_the_session(sink: Sink) -> None:
    main = {"smtpd_recipient_limit": "100", "smtpd_recipient_overshoot_limit": "50", "smtpd_error_sleep_time": "0"}
    with System(main, relay=sink.port) as system, system.client() as client:
        client.say("EHLO client.example.com")
        client.say("MAIL FROM:<a@example.com>")
        codes = [client.say(f"RCPT TO:<r{n}@example.net>")[0] for n in range(171)]
        assert codes == [250] * 100 + [452] * 70 + [421]


CONTENTS: dict[str, tuple[int, bytes, bytes]] = {
    # megabytes in all, the head, and what is then said over and over
    "lines": (300, b"Subject: big\r\n\r\n", (b"x" * 76 + b"\r\n") * (MEGABYTE // 78)),
    "one line": (100, b"Subject: big\r\n\r\n", b"x" * MEGABYTE),
    "headers": (50, b"", (b"X: " + b"y" * 73 + b"\r\n") * (MEGABYTE // 78)),
    "one header": (50, b"Subject: ", (b"y" * 74 + b"\r\n ") * (MEGABYTE // 77)),
}


class Peak:
    """The most resident memory of a system while this is entered, above what it had before."""

    def __init__(self, system: System) -> None:
        self._system, self._before, self._done = system, system.resident(), threading.Event()
        self.octets = 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.05):
            self.octets = max(self.octets, self._system.resident() - self._before)


@pytest.mark.parametrize("name", CONTENTS)
def test_memory_does_not_follow_the_size_of_a_message(system: System, tmp_path: Path, name: str) -> None:
    megabytes, head, block = CONTENTS[name]
    (tmp_path / "block").write_bytes(block)
    with system.client() as client, Peak(system) as peak, open(tmp_path / "block", "rb") as file:
        client.envelope("a@example.com", "b@nowhere.example")
        assert client.say("DATA")[0] == 354
        client.write(head)
        client.socket.settimeout(60)
        for _ in range(megabytes):
            _splice(client.socket, file.fileno(), len(block))
        client.write(b"\r\n.\r\n")
        code, text = client.reply()
        assert code == 250, (code, text)
    queue_id = text.rpartition(" ")[2]
    system.logged(queue_id, "removed", seconds=60)
    queued = re.search(r"size=(\d+)", system.logged(f"{queue_id}: from="))
    assert queued
    assert int(queued[1]) > 0.8 * megabytes * len(block)
    assert peak.octets < 16 * MEGABYTE, peak.octets


def _splice(connection: socket.socket, file: int, size: int) -> None:
    """The file goes out without a copy in this process."""
    position = 0
    while position < size:
        try:
            position += os.sendfile(connection.fileno(), file, position, size - position)
        except BlockingIOError:
            time.sleep(0.001)


def test_what_is_over_the_limit_is_not_written_down(sink: Sink) -> None:
    with System({"message_size_limit": "1000000"}, relay=sink.port) as system, system.client() as client, Peak(system) as peak:
        client.envelope()
        assert client.say("DATA")[0] == 354
        client.write(b"Subject: big\r\n\r\n")
        for _ in range(100):
            client.write(CONTENTS["lines"][2])
            assert sum(path.stat().st_size for path in system.spool.rglob("*") if path.is_file()) < 4 * MEGABYTE
        client.write(b".\r\n")
        assert client.reply()[0] == 552
        assert client.say("NOOP")[0] == 250
    assert peak.octets < 16 * MEGABYTE, peak.octets
