"""Clients that make TLS costly: handshakes that never end, come an octet at a time, begin again and again, or bring a chain without
end. Each is cut off within its time or size, the log says why, and others are served meanwhile."""

import contextlib
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificate import Certificate, issue, make
from tests.support.running import System

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{third} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_ask_ccert=yes -o smtpd_tls_loglevel=1
"""
_MANY = 60


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"), "mail.example.test")


@pytest.fixture(scope="module")
def system(certificate: Certificate) -> Iterator[System]:
    main = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
        "smtpd_starttls_timeout": "3s",
        "smtpd_timeout": "3s",
    }
    with System(main, _MASTER) as one:
        yield one


def _context(version: str = "TLSv1_3") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion[version]
    return context


def _served(system: System) -> None:
    """Somebody honest is."""
    with smtplib.SMTP_SSL("127.0.0.1", system.second, timeout=20, context=_context()) as client:
        assert client.ehlo("honest.test")[0] == 250
        assert client.mail("a@honest.test")[0] == 250


def _hello() -> bytes:
    """A ClientHello."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        _context().wrap_bio(down, up).do_handshake()
    return up.read()


def _starting(system: System) -> socket.socket:
    """A connection after STARTTLS."""
    plain = socket.create_connection(("127.0.0.1", system.port), 20)
    for said in (b"", b"EHLO slow.test\r\n", b"STARTTLS\r\n"):
        plain.sendall(said)
        assert plain.recv(4096)[:1] == b"2"
    return plain


@pytest.mark.parametrize("part", [0, 1, 5, 100])
def test_a_handshake_that_stops_is_cut_off_in_time(system: System, part: int) -> None:
    with contextlib.ExitStack() as stack:
        halves = [stack.enter_context(_starting(system)) for _ in range(3)]
        for half in halves:
            half.sendall(_hello()[:part])
        _served(system)
        for half in halves:
            half.settimeout(30)
            with contextlib.suppress(ConnectionResetError):
                assert half.recv(1) == b""
    assert system.logged("SSL_accept error from", "Connection timed out")


def test_many_that_stop_at_once_keep_nobody_waiting(system: System) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(_MANY):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", system.second), 20))
            half.sendall(_hello()[:50])
        for _ in range(5):
            _served(system)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_records_may_come_an_octet_at_a_time(system: System, version: str) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _context(version).wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", system.second), 20) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send() -> None:
            for octet in outgoing.read():
                plain.sendall(bytes((octet,)))

        def until_done(step: str, *arguments: bytes | int) -> bytes:
            while True:
                try:
                    done = getattr(tls, step)(*arguments)
                except ssl.SSLWantReadError:
                    send()
                    incoming.write(plain.recv(4096))
                    continue
                send()
                return done if isinstance(done, bytes) else b""

        until_done("do_handshake")
        assert until_done("read", 4096).startswith(b"220 ")
        until_done("write", b"EHLO slow.test\r\n")
        assert until_done("read", 4096).startswith(b"250-")


def test_silence_after_the_handshake_is_cut_off_in_time(system: System) -> None:
    with _starting(system) as plain, _context().wrap_socket(plain) as tls:
        tls.settimeout(30)
        assert tls.recv(4096).startswith(b"421 4.4.2 ")


def test_a_handshake_is_not_begun_again(system: System) -> None:
    """Renegotiation (TLS 1.2) costs a server more than the client, and is refused each time; the session ends or goes on."""
    command = ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{system.second}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as asking:
        assert asking.stdin and asking.stdout
        said = iter(asking.stdout.readline, "")
        assert any(line.startswith("220 ") for line in said)
        asking.stdin.write("R\n")
        asking.stdin.flush()
        assert "no renegotiation" in "".join(said)  # and it ends, at the latest by smtpd_timeout
    _served(system)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_chain_without_end_is_refused(system: System, certificate: Certificate, tmp_path: Path, version: str) -> None:
    own = issue(tmp_path, "client.example.test", certificate.authority.parent)
    (tmp_path / "long.pem").write_text(own.chain.read_text() * 400)
    context = _context(version)
    context.load_cert_chain(tmp_path / "long.pem", own.key)
    with socket.create_connection(("127.0.0.1", system.third), 20) as plain, pytest.raises(OSError):
        with context.wrap_socket(plain) as tls:
            if not tls.recv(4096):  # TLS 1.3: the client thinks that it is through
                raise ConnectionResetError
    assert system.logged("TLS library problem", "excessive message size")
    _served(system)
