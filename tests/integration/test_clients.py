"""Real SMTP clients, each with a message into a virtual Maildir."""

import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.system import System
from tests.support.certificate import Certificate
from tests.support.free_ports import free_port

_SMTPS, _PROXY, _LMTP = free_port(), free_port(), free_port()
_MASTER = f"""\
127.0.0.1:{{port}} inet n - n - - smtpd
127.0.0.1:{_SMTPS} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:{_PROXY} inet n - n - - smtpd
  -o smtpd_upstream_proxy_protocol=haproxy
127.0.0.1:{_LMTP} inet n - n - - lmtpd
"""


@pytest.fixture(scope="module")
def gatepost(certificate: Certificate) -> Iterator[System]:
    main = f"""\
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate.key} {certificate.chain}
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtpd_authorized_xclient_hosts = 127.0.0.1
smtputf8_enable = yes
"""
    with System(main, _MASTER) as system:
        yield system


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _swaks(gatepost: System, word: str, *options: str, port: int = 0) -> str:
    target = ("--server", f"127.0.0.1:{port or gatepost.port}") if port >= 0 else ()
    said = _run("swaks", *target, "--from", "a@example.com", "--to", "b@example.test", "--header", f"Subject: {word}", *options)
    gatepost.arrival(word.encode())
    return said


def test_swaks_plain(gatepost: System) -> None:
    assert "250 2.0.0 Ok: queued as" in _swaks(gatepost, "swaks plain")


def test_swaks_pipelining(gatepost: System) -> None:
    _swaks(gatepost, "swaks pipelining", "--pipeline")


def test_swaks_starttls(gatepost: System, certificate: Certificate) -> None:
    said = _swaks(gatepost, "swaks starttls", "--tls", "--tls-verify", "--tls-ca-path", str(certificate.authority))
    assert "TLS started" in said
    assert b"with ESMTPS" in gatepost.arrival(b"swaks starttls")
    gatepost.logged("Anonymous TLS connection established from", "TLSv1.3")


def test_swaks_wrapper_mode(gatepost: System) -> None:
    _swaks(gatepost, "swaks smtps", "--tls-on-connect", port=_SMTPS)


def test_swaks_xclient(gatepost: System) -> None:
    _swaks(gatepost, "swaks xclient", "--xclient", "ADDR=192.0.2.7 NAME=far.example.com")
    assert b"(far.example.com [192.0.2.7])" in gatepost.arrival(b"swaks xclient")


@pytest.mark.parametrize("version", ["1", "2"])
def test_swaks_proxy_protocol(gatepost: System, version: str) -> None:
    proxied = f"192.0.2.{version}"
    options = ("--proxy-family", "TCP4" if version == "1" else "AF_INET", "--proxy-source", proxied, "--proxy-source-port", "4711")
    if version == "2":
        options += ("--proxy-protocol", "STREAM")
    options += ("--proxy-version", version, "--proxy-dest", "192.0.2.99", "--proxy-dest-port", "25")
    _swaks(gatepost, f"swaks proxy {version}", *options, port=_PROXY)
    assert f"[{proxied}]".encode() in gatepost.arrival(f"swaks proxy {version}".encode())


def test_swaks_lmtp(gatepost: System) -> None:
    _swaks(gatepost, "swaks lmtp", "--protocol", "LMTP", port=_LMTP)


def test_smtplib(gatepost: System) -> None:
    gatepost.send("Subject: by smtplib\r\n\r\n.leading dot\r\n\r\n..two\r\n")
    assert b"\n.leading dot\n\n..two\n" in gatepost.arrival(b"by smtplib")


def test_smtplib_starttls_verified(gatepost: System, certificate: Certificate) -> None:
    context = ssl.create_default_context(cafile=str(certificate.authority))
    with smtplib.SMTP(timeout=20) as client:
        client._host = certificate.name  # the name that the certificate must be for
        client.connect("127.0.0.1", gatepost.port)
        client.starttls(context=context)
        client.sendmail("a@example.com", ["b@example.test"], "Subject: verified by smtplib\r\n\r\nx\r\n")
    gatepost.arrival(b"verified by smtplib")


def test_smtputf8(gatepost: System) -> None:
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        text = "Subject: grüße\r\n\r\nböse\r\n".encode()
        client.sendmail("jürgen@example.com", ["käthe@example.test"], text, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    message = gatepost.arrival("Subject: grüße".encode())
    assert "<käthe@example.test>".encode() in message
    assert b"with UTF8SMTP" in message


def test_curl(gatepost: System) -> None:
    _run("curl", "-sS", f"smtp://127.0.0.1:{gatepost.port}", "--mail-from", "a@example.com", "--mail-rcpt", "b@example.test",
         "-T", "-", text="Subject: by curl\n\nx\n")  # fmt: skip
    gatepost.arrival(b"by curl")


def test_curl_smtps(gatepost: System, certificate: Certificate) -> None:
    _run("curl", "-sS", "--cacert", str(certificate.authority), "--resolve", f"{certificate.name}:{_SMTPS}:127.0.0.1",
         f"smtps://{certificate.name}:{_SMTPS}", "--mail-from", "a@example.com", "--mail-rcpt", "b@example.test",
         "-T", "-", text="Subject: by curl over TLS\n\nx\n")  # fmt: skip
    gatepost.arrival(b"by curl over TLS")


def test_msmtp(gatepost: System, certificate: Certificate) -> None:
    _run("msmtp", "--host=127.0.0.1", f"--port={gatepost.port}", "--from=a@example.com", "--tls=on", "--tls-certcheck=off",
         "b@example.test", text="Subject: by msmtp\n\nx\n")  # fmt: skip
    gatepost.arrival(b"by msmtp")


def test_chunks(gatepost: System) -> None:
    """RFC 3030: a message in two chunks, the second pipelined with its octets, one of them looking like an end of data."""
    first, last = b"Subject: in chunks\r\n\r\nfirst\r\n.\r\n", b"last\r\n"
    with socket.create_connection(("127.0.0.1", gatepost.port), 10) as connection, connection.makefile("rwb") as stream:
        stream.write(b"EHLO client.example.com\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.test>\r\n")
        stream.write(b"BDAT %d\r\n%sBDAT %d LAST\r\n%sQUIT\r\n" % (len(first), first, len(last), last))
        stream.flush()
        replies = stream.read().splitlines()
    assert [reply[:3] for reply in replies if reply[3:4] == b" "] == [b"220", b"250", b"250", b"250", b"250", b"250", b"221"]
    assert b"\nfirst\n.\nlast\n" in gatepost.arrival(b"in chunks")


def test_dsn_parameters(gatepost: System) -> None:
    """RFC 3461: NOTIFY=SUCCESS brings a report with the envelope id to the sender."""
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        client.sendmail("sender@example.test", ["b@example.test"], "Subject: tell me\r\n\r\nx\r\n", ["RET=HDRS", "ENVID=QQ314159"],
                        ["NOTIFY=SUCCESS", "ORCPT=rfc822;b@example.test"])  # fmt: skip
    report = gatepost.arrival(b"QQ314159")
    assert b"Action: delivered" in report
    assert b"Original-Recipient: rfc822;b@example.test" in report


def test_nothing_goes_in_the_clear_without_the_certificate_that_was_asked_for() -> None:
    """A key that cannot be read disables TLS, and with it whatever needs TLS; it does not open the door."""
    main = "smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = /nonexistent/chain.pem\n"
    wrapped = "127.0.0.1:{second} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    with System(main, "127.0.0.1:{port} inet n - n - - smtpd\n" + wrapped) as closed:
        with closed.client() as client:
            assert "STARTTLS" in client.say("EHLO client.example.com")[1]
            assert client.say("STARTTLS") == (454, "4.7.0 TLS not available due to local problem")
            assert client.say("MAIL FROM:<a@example.com>")[0] == 530
        with closed.client(closed.second) as client:
            assert client.greeting[0] == 0
        closed.logged("warning: cannot load TLS certificates /nonexistent/chain.pem", "TLS is disabled")
        closed.logged("Wrapper-mode request dropped")
