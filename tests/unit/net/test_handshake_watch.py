"""What the log is told of handshakes: the words of Postfix 3.7.11, which were recorded beside it on the same OpenSSL."""

import contextlib
import ssl
from pathlib import Path

import pytest
from tests.support import certificate

from gatepost.net.handshake_watch import faults_of, states_of, watch


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> certificate.Certificate:
    return certificate.make(tmp_path_factory.mktemp("tls"), "mx.test")


def context(own: certificate.Certificate, *, states: bool = True) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(own.chain, own.key)
    made.num_tickets = 1
    watch(made, states=states)
    return made


def asking(version: str = "TLSv1_3", **trust: str | Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.maximum_version = False, ssl.TLSVersion[version]
    made.verify_mode = ssl.CERT_REQUIRED if trust else ssl.CERT_NONE
    return made


def shake(serving: ssl.SSLContext, client: ssl.SSLContext, pieces: int = 1 << 20) -> ssl.SSLObject:
    """The server's end of a connection; `pieces`: octets of the client's that come at a time."""
    up, down, slow = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    server, asked = serving.wrap_bio(slow, down, server_side=True), client.wrap_bio(down, up)
    for _ in range(6):
        for end in (asked, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
            while piece := up.read(pieces):
                slow.write(piece)
                with contextlib.suppress(ssl.SSLWantReadError):
                    server.do_handshake()
    return server


def refused(serving: ssl.SSLContext, octets: bytes) -> ssl.SSLError:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    up.write(octets)
    with pytest.raises(ssl.SSLError) as caught:
        serving.wrap_bio(up, down, server_side=True).do_handshake()
    return caught.value


TLS13 = (
    "before SSL initialization", "before SSL initialization", "SSLv3/TLS read client hello", "SSLv3/TLS write server hello",
    "SSLv3/TLS write change cipher spec", "TLSv1.3 write encrypted extensions", "SSLv3/TLS write certificate",
    "TLSv1.3 write server certificate verify", "SSLv3/TLS write finished", "TLSv1.3 early data", "TLSv1.3 early data",
    "SSLv3/TLS read finished", "SSLv3/TLS write session ticket",
)  # fmt: skip


def test_the_states_of_a_handshake(own: certificate.Certificate) -> None:
    told = states_of(shake(context(own), asking()))
    assert told == tuple(f"SSL_accept:{state}" for state in TLS13)


def test_handshakes_in_pieces_and_at_the_same_time_are_told_apart(own: certificate.Certificate) -> None:
    """Nothing of one is told of another, whoever takes a step in between."""
    serving = context(own)
    first = serving.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        first.do_handshake()
    assert set(states_of(shake(serving, asking(), 7))) == {f"SSL_accept:{state}" for state in TLS13}
    assert states_of(first) == ("SSL_accept:before SSL initialization",)


def test_nothing_is_told_of_states_that_nobody_wants(own: certificate.Certificate) -> None:
    assert states_of(shake(context(own, states=False), asking())) == ()


@pytest.mark.parametrize(
    ("octets", "number", "words"),
    [
        (b"EHLO again\r\n", "0A00010B", "wrong version number"),
        (b"GET / HTTP/1.1\r\n\r\n", "0A00009C", "http request"),
        (b"CONNECT x:25 HTTP/1.0\r\n\r\n", "0A00009B", "https proxy request"),
        (b"\x16\x03\x01\xff\xff" + b"\1" * 300, "0A0000C6", "packet length too long"),
        (bytes.fromhex("1703030005") + b"hello", "0A0000F4", "unexpected message"),
    ],
)
def test_why_a_handshake_failed(own: certificate.Certificate, octets: bytes, number: str, words: str) -> None:
    for states in (True, False):
        error = refused(context(own, states=states), octets)
        (fault,) = faults_of(error)
        assert fault.startswith(f"error:{number}:SSL routines::{words}:")
        assert fault.rsplit(":", 2)[1].isdecimal()  # the line, after the file, of OpenSSL's source
        assert bool(states_of(error)) is states


def test_an_alert_of_the_client_is_told_with_its_number(own: certificate.Certificate) -> None:
    error = None
    with pytest.raises(ssl.SSLError) as caught:
        serving, client = context(own), asking(trust="nobody")
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        server, asked = serving.wrap_bio(up, down, server_side=True), client.wrap_bio(down, up)
        for _ in range(4):
            for end in (asked, server):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                except ssl.SSLCertVerificationError:  # the client's, whose alert the server hears next
                    assert end is asked
    error = caught.value
    (fault,) = faults_of(error)
    assert fault.startswith("error:0A000418:SSL routines::tlsv1 alert unknown ca:")
    assert fault.endswith(":SSL alert number 48:")
    assert "SSL3 alert read:fatal:unknown CA" in states_of(error)


def test_errors_that_nobody_watched() -> None:
    assert faults_of(ConnectionResetError("gone")) == ()
    unwatched = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert faults_of(refused(unwatched, b"EHLO\r\n" * 3)) == ("error:SSL routines::wrong version number",)
