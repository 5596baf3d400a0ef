"""A real Postfix as next hop, as client, and smtp-source and smtp-sink."""

import os
import smtplib
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.integration.ports import listens
from tests.integration.postfix import Postfix
from tests.integration.system import System
from tests.support.certificate import Certificate
from tests.support.free_ports import free_port
from tests.support.running import wait_for

Make = Callable[..., System]
MakePostfix = Callable[..., Postfix]


def _relay(system: Make, next_hop: Postfix, main: str = "") -> System:
    return system(f"relayhost = [127.0.0.1]:{next_hop.port}\n{main}").start()


def _with_tls(certificate: Certificate, more: str = "") -> str:
    return f"""\
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate.key} {certificate.chain}
smtpd_tls_received_header = yes
{more}"""


def test_relays_to_postfix(system: Make, postfix: MakePostfix) -> None:
    """8BITMIME, DSN and XFORWARD on the way; what Postfix answered is what the log says."""
    next_hop = postfix("smtpd_authorized_xforward_hosts = 127.0.0.1\n")
    networks = "mynetworks = 127.0.0.0/8, 192.0.2.0/24\n"
    gatepost = _relay(system, next_hop, networks + "smtp_send_xforward_command = yes\nsmtpd_authorized_xclient_hosts = 127.0.0.1\n")
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        client.ehlo()
        client.docmd("XCLIENT", "ADDR=192.0.2.7 NAME=far.example.com")
        client.ehlo("helo.example.com")
        text = "Subject: relayed\r\n\r\nKäse\r\n.\r\n..\r\n".encode()
        options = ["BODY=8BITMIME", "RET=HDRS", "ENVID=envelope+3D1"]
        client.sendmail("a@example.com", ["b@example.net"], text, options, ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;b@example.net"])
    message = next_hop.arrival(b"Subject: relayed")
    assert message.endswith("\n\nKäse\n.\n..\n".encode())
    next_hop.logged("client=", "orig_client=far.example.com[192.0.2.7]")
    queued = next_hop.logged("client=").split(": ")[1]
    assert f"250 2.0.0 Ok: queued as {queued})" in gatepost.logged("to=<b@example.net>", "status=sent")
    next_hop.logged("sender delivery status notification")  # NOTIFY=SUCCESS reached it


@pytest.mark.parametrize(("level", "log"), [("may", "Untrusted"), ("encrypt", "Untrusted"), ("verify", "Verified")])
def test_starttls(system: Make, postfix: MakePostfix, certificate: Certificate, level: str, log: str) -> None:
    next_hop = postfix(_with_tls(certificate))
    trust = (
        f"smtp_tls_CAfile = {certificate.authority}\nsmtp_tls_verify_cert_match = {certificate.name}\n" if level == "verify" else ""
    )
    gatepost = _relay(system, next_hop, f"smtp_tls_security_level = {level}\nsmtp_tls_loglevel = 1\n{trust}")
    gatepost.send(f"Subject: at level {level}\r\n\r\nx\r\n", to="b@example.net")
    assert b"(using TLSv1.3 with cipher" in next_hop.arrival(b"at level " + level.encode())
    gatepost.logged(f"{log} TLS connection established to", "TLSv1.3")


@pytest.mark.parametrize("level", ["encrypt", "verify"])
def test_nothing_goes_in_the_clear_where_tls_is_mandatory(
    system: Make, postfix: MakePostfix, certificate: Certificate, level: str
) -> None:
    next_hop = postfix("" if level == "encrypt" else _with_tls(certificate))
    gatepost = _relay(system, next_hop, f"smtp_tls_security_level = {level}\n")
    gatepost.send(to="b@example.net")
    line = gatepost.logged("to=<b@example.net>", "status=deferred")
    assert {"encrypt": "TLS is required, but was not offered", "verify": "Server certificate not"}[level] in line
    assert "Subject: test" not in next_hop.log


def test_size_rejected_by_next_hop(system: Make, postfix: MakePostfix) -> None:
    """SIZE (RFC 1870) refused by the next hop bounces the message to its sender."""
    next_hop = postfix("message_size_limit = 20000\nvirtual_mailbox_limit = 0\n")
    gatepost = _relay(system, next_hop)
    gatepost.send("Subject: big\r\n\r\n" + "x" * 70 * 600 + "\r\n", sender="sender@example.test", to="b@example.net")
    assert "status=bounced" in gatepost.logged("to=<b@example.net>", "size")
    notice = gatepost.arrival(b"Undelivered Mail Returned to Sender")
    assert b"Action: failed" in notice
    assert b"Diagnostic-Code:" in notice or b"exceeds size limit" in notice


def test_refused_recipient_bounces_and_the_other_arrives(system: Make, postfix: MakePostfix) -> None:
    next_hop = postfix("virtual_mailbox_maps = inline:{ { known@example.net = box/ } }\n")
    gatepost = _relay(system, next_hop)
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        client.sendmail("sender@example.test", ["known@example.net", "unknown@example.net"], "Subject: for two\r\n\r\nx\r\n")
    next_hop.arrival(b"Subject: for two")
    gatepost.logged("to=<unknown@example.net>", "status=bounced", "550 5.1.1")
    assert b"Final-Recipient: rfc822; unknown@example.net" in gatepost.arrival(b"Undelivered Mail Returned to Sender")


def test_next_hop_that_comes_back(system: Make, postfix: MakePostfix) -> None:
    """Deferred while the next hop is away, delivered when it is back."""
    port = free_port()
    gatepost = system(f"relayhost = [127.0.0.1]:{port}\n").start()
    gatepost.send(to="b@example.net")
    gatepost.logged("to=<b@example.net>", "status=deferred", "Connection refused")
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "10"])
    try:
        gatepost.logged("to=<b@example.net>", "status=sent")
    finally:
        sink.terminate()
        sink.wait()


def test_postfix_relays_to_gatepost(system: Make, postfix: MakePostfix, certificate: Certificate) -> None:
    gatepost = system(_with_tls(certificate)).start()
    client = postfix(f"relayhost = [127.0.0.1]:{gatepost.port}\nsmtp_tls_security_level = encrypt\n")
    client.submit("Subject: from Postfix\n\n.dot\nKäse\n", "b@example.test", "-N", "success,failure")
    message = gatepost.arrival(b"Subject: from Postfix")
    assert message.endswith("\n.dot\nKäse\n".encode())
    assert b"with ESMTPS" in message
    client.logged("to=<b@example.test>", "status=sent", "250 2.0.0 Ok: queued as")


def test_loop_through_postfix_ends(system: Make, postfix: MakePostfix) -> None:
    """Mail that two servers give each other for ever is bounced for its hop count."""
    gatepost = system("hopcount_limit = 8\n")
    other = postfix(f"relayhost = [127.0.0.1]:{gatepost.port}\n")
    gatepost.change(f"hopcount_limit = 8\nrelayhost = [127.0.0.1]:{other.port}\n")
    gatepost.start()
    gatepost.send("Subject: round\r\n\r\nx\r\n", sender="sender@example.test", to="b@example.org")
    assert b"too many hops" in gatepost.arrival(b"Undelivered Mail Returned to Sender").lower()


def test_smtp_source_to_smtp_sink(system: Make) -> None:
    """Two hundred messages in ten sessions through two workers; every one arrives, and the queue is empty."""
    port, count = free_port(), 200
    gatepost = system(f"relayhost = [127.0.0.1]:{port}\nsmtpd_client_connection_count_limit = 0\n").start()
    dump = gatepost.folder / "sink"
    dump.mkdir()
    dump.chmod(0o777)
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", "-d", f"{dump}/%M.", f"127.0.0.1:{port}", "100"])
    try:
        wait_for(lambda: listens(port), "smtp-sink")
        source = ["smtp-source", "-s", "10", "-m", str(count), "-l", "4000", "-f", "a@example.com", "-t", "b@example.net"]
        subprocess.run([*source, f"127.0.0.1:{gatepost.port}"], check=True, timeout=60)
        wait_for(lambda: gatepost.log().count("status=sent") == count, "all sent", 30)
        assert len(os.listdir(dump)) == count
    finally:
        sink.terminate()
        sink.wait()
    time.sleep(0.1)
    assert gatepost.command("mailq").stdout == "Mail queue is empty\n"
    assert gatepost.log().count(": removed") == count
