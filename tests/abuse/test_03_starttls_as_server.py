"""STARTTLS command injection (CVE-2011-0411 and its kin), as server: nothing said in the clear counts once TLS is up.

What came in the packet of STARTTLS is dropped, what was learned before is forgotten, and whoever must use TLS cannot get around it.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.certificate import make
from tests.support.free_ports import free_port
from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink

_NAME = "mail.example.test"
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - lmtpd
127.0.0.1:{third} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{fourth} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
127.0.0.1:PROXIED inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_upstream_proxy_protocol=haproxy
"""

_PROXIED = free_port()

MAIL = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nX-Id: injected\r\n\r\n.\r\n"
INJECTED = {
    "a hello": b"EHLO evil.example\r\n",
    "a hello for LMTP": b"LHLO evil.example\r\n",
    "a command": b"NOOP\r\n",
    "the end": b"QUIT\r\n",
    "a message": b"EHLO evil.example\r\n" + MAIL,
    "half a command": b"MAIL FROM:<evil@exam",
    "a line end": b"\r\n",
    "one octet": b"N",
    "more STARTTLS": b"STARTTLS\r\n" * 3,
    "a chunk": b"BDAT 100000 LAST\r\nX-Id: injected\r\n\r\n",
    "more than a command line may have": b"NOOP " + b"x" * 4000,
}


@pytest.fixture(scope="module")
def system(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    certificate = make(tmp_path_factory.mktemp("tls"), _NAME)
    main = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
        "smtpd_helo_required": "yes",
        "smtpd_error_sleep_time": "0",
        "smtpd_hard_error_limit": "1000",
    }
    with System(main, _MASTER.replace("PROXIED", str(_PROXIED)), relay=sink.port) as one:
        yield one


@pytest.fixture(params=["SMTP", "LMTP"])
def port(request: pytest.FixtureRequest, system: System) -> int:
    """Where to go: the SMTP or the LMTP service."""
    return system.port if request.param == "SMTP" else system.second


def _hello(system: System, port: int) -> str:
    return "LHLO client.example.com" if port == system.second else "EHLO client.example.com"


def _secured(client: Client) -> Client:
    """The same conversation over TLS, once the server is ready for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client._file.close()
    client.socket = context.wrap_socket(client.socket)
    client._file = client.socket.makefile("rb")
    return client


@pytest.mark.parametrize("name", INJECTED)
def test_what_follows_starttls_in_its_packet_is_dropped(system: System, port: int, sink: Sink, name: str) -> None:
    """The first reply over TLS answers the first command over TLS, and there is none for anything else."""
    with system.client(port) as client:
        assert client.say(_hello(system, port))[0] == 250
        client.write(b"STARTTLS\r\n" + INJECTED[name])
        assert client.reply()[0] == 220
        _secured(client)
        assert client.say("MAIL FROM:<a@example.com>") == (503, "5.5.1 Error: send HELO/EHLO first")
        assert client.say("XYZZY")[0] == 500
        assert client.say(_hello(system, port))[0] == 250
        client.write(b"QUIT\r\n")
        assert client.all_replies() == [221]
    assert not sink.ids().get("injected")


@pytest.mark.parametrize("name", INJECTED)
def test_what_follows_starttls_in_packets_of_its_own_is_never_used(system: System, port: int, sink: Sink, name: str) -> None:
    """It is dropped where it comes before the answer, and no handshake where it comes later."""
    with system.client(port) as client:
        assert client.say(_hello(system, port))[0] == 250
        client.write(b"STARTTLS\r\n")
        with contextlib.suppress(OSError):
            client.write(INJECTED[name], piece=max(len(INJECTED[name]) // 50, 1))
        assert client.reply()[0] == 220
        with contextlib.suppress(OSError):
            _secured(client)
            first = client.say("MAIL FROM:<a@example.com>")
            if first != (0, ""):
                assert first == (503, "5.5.1 Error: send HELO/EHLO first")
                client.write(b"QUIT\r\n")
                assert client.all_replies() == [221]
    assert not sink.ids().get("injected")


@pytest.mark.parametrize("name", INJECTED)
def test_what_comes_in_the_clear_instead_of_a_handshake_is_never_a_command(
    system: System, port: int, sink: Sink, name: str
) -> None:
    with system.client(port) as client:
        assert client.say(_hello(system, port))[0] == 250
        assert client.say("STARTTLS")[0] == 220
        with contextlib.suppress(OSError):
            client.write(INJECTED[name] + b"\r\n" * 10)
            client.socket.shutdown(socket.SHUT_WR)
        assert _all_octets(client)[:1] in (b"", b"\x15")  # silence or a TLS alert
    assert not sink.ids().get("injected")


def _all_octets(client: Client) -> bytes:
    found = b""
    with contextlib.suppress(OSError):
        while data := client.socket.recv(65536):
            found += data
    return found


BEFORE: dict[str, tuple[bytes, ...]] = {
    "a hello": (),
    "a sender": (b"MAIL FROM:<evil@example.com>",),
    "a recipient": (b"MAIL FROM:<evil@example.com>", b"RCPT TO:<victim@example.net>"),
    "half a message": (
        b"MAIL FROM:<evil@example.com>", b"RCPT TO:<victim@example.net>", b"BDAT 18\r\nX-Id: injected\r\n",
    ),
}  # fmt: skip
AFTER = {
    "MAIL FROM:<a@example.com>": 503,
    "RCPT TO:<b@example.net>": 503,
    "DATA": 503,
    "BDAT 0 LAST": 503,
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("after", AFTER)
def test_what_was_said_before_is_forgotten(system: System, port: int, before: str, after: str) -> None:
    with system.client(port) as client:
        client.say(_hello(system, port))
        for line in BEFORE[before]:
            assert client.say(line)[0] == 250
        assert client.say("STARTTLS")[0] == 220
        _secured(client)
        assert client.say(after)[0] == AFTER[after]
        assert client.say("QUIT")[0] == 221


def test_a_message_over_tls_holds_nothing_of_one_begun_in_the_clear(system: System, sink: Sink) -> None:
    with system.client() as client:
        client.envelope("evil@example.com", "victim@example.net")
        assert client.say(b"BDAT 21\r\nX-Id: injected\r\nX: ")[0] == 250
        assert client.say("STARTTLS")[0] == 220
        _secured(client)
        client.envelope()
        assert client.say("DATA")[0] == 354
        client.write(b"X-Id: over-tls\r\n\r\nbody\r\n.\r\n")
        assert client.reply()[0] == 250
    wait_for(lambda: sink.ids().get("over-tls"), "the message")
    assert not sink.ids().get("injected")
    (message,) = [one for one in sink.taken if b"over-tls" in one.content]
    assert message.sender.startswith(b"<a@example.com>")
    assert [one.partition(b">")[0] for one in message.recipients] == [b"<b@example.net"]


def test_tls_is_not_offered_within_tls(system: System, port: int) -> None:
    with system.client(port) as client:
        assert "STARTTLS" in client.say(_hello(system, port))[1].split()
        assert client.say("STARTTLS")[0] == 220
        _secured(client)
        assert "STARTTLS" not in client.say(_hello(system, port))[1].split()
        assert client.say("STARTTLS")[0] == 554


BARRED = (
    "MAIL FROM:<a@example.com>",
    "RCPT TO:<b@example.net>",
    "DATA",
    "BDAT 0 LAST",
    "RSET",
    "VRFY b@example.net",
    "ETRN x",
    "AUTH PLAIN",
)


@pytest.mark.parametrize("line", BARRED)
def test_without_tls_nothing_gets_through_where_it_is_required(system: System, line: str) -> None:
    with system.client(system.fourth) as client:
        assert client.say("EHLO client.example.com")[0] == 250
        assert client.say(line)[0] == 530
        assert client.say(line.lower())[0] == 530
        assert client.say("NOOP")[0] == 250


def test_a_message_in_the_packet_of_starttls_does_not_get_around_it(system: System, sink: Sink) -> None:
    with system.client(system.fourth) as client:
        client.say("EHLO client.example.com")
        client.write(b"STARTTLS\r\n" + MAIL)
        assert client.reply()[0] == 220
        client.write(MAIL)
        client.socket.shutdown(socket.SHUT_WR)
        assert _all_octets(client)[:1] in (b"", b"\x15")
    assert not sink.ids().get("injected")


@pytest.mark.parametrize("name", INJECTED)
def test_a_port_of_tls_from_the_start_does_not_hear_what_is_in_the_clear(system: System, sink: Sink, name: str) -> None:
    with socket.create_connection(("127.0.0.1", system.third), 10) as connection:
        connection.sendall(INJECTED[name] + MAIL)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                found += data
    assert found[:1] in (b"", b"\x15")
    assert not sink.ids().get("injected")


PROXY = {
    "no proxy": b"",
    "version 1": b"PROXY TCP4 192.0.2.1 127.0.0.1 40000 465\r\n",
    "version 2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x01\x9c\x40\x01\xd1",
}


def _at_once(system: System, header: bytes, piece: int) -> str:
    """The greeting over TLS for a client that sends the header and its hello at once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", _PROXIED if header else system.third), 20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        what: Callable[[], object] = tls.do_handshake
        while True:
            try:
                found = what()
            except ssl.SSLWantReadError:
                octets, header = header + outgoing.read(), b""
                for start in range(0, len(octets), piece):
                    connection.sendall(octets[start : start + piece])
                data = connection.recv(65536)
                if not data:
                    raise EOFError from None
                incoming.write(data)
            else:
                if found is not None:
                    assert isinstance(found, bytes)
                    return found.decode()
                what = tls.read


@pytest.mark.parametrize("header", PROXY)
@pytest.mark.parametrize("piece", [1 << 20, 1])
def test_whoever_begins_tls_at_once_is_heard(system: System, header: str, piece: int) -> None:
    """RFC 8314 §3.3; a crowd of them, for what is lost now and then only."""
    with ThreadPoolExecutor(16) as pool:
        greetings = list(pool.map(lambda _: _at_once(system, PROXY[header], piece), range(64)))
    assert all(greeting.startswith("220 ") for greeting in greetings)
