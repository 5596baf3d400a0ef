"""What Postfix has since 3.8, in a running Gatepost: hosts by SRV records, words of refusals, sessions that are kept private."""

import os
import smtplib

import pytest

from tests.support.name_server import ZoneServer
from tests.support.running import System, wait_for
from tests.support.sink import Sink


def _zone(first: int, second: int) -> str:
    return (
        "mx.srv.test A 127.0.0.1\nsrv.test MX 10 mx.srv.test\n"
        f"_submission._tcp.srv.test SRV 0 0 {first} mx.srv.test\n_submission._tcp.srv.test SRV 5 0 {second} mx.srv.test\n"
        "_submission._tcp.none.test SRV 0 0 0 .\nnone.test A 127.0.0.1\n"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")
def test_hosts_of_srv_records() -> None:
    refusing = Sink(answers={"GREETING": b"421 mx.srv.test busy\r\n"})
    with refusing, Sink() as sink:
        zone = ZoneServer(_zone(refusing.port, sink.port))
        settings = {
            "default_transport": "smtp:srv.test:submission",
            "transport_maps": "inline:{{b@none.test = smtp:none.test:submission}}",
            "use_srv_lookup": "submission",
        }
        try:
            with System(settings, prefix=zone.prefix) as system:
                with smtplib.SMTP("127.0.0.1", system.port) as client:
                    client.sendmail("a@a.test", ["b@elsewhere.test"], "Subject: x\r\n\r\nx\r\n")
                    client.sendmail("a@a.test", ["b@none.test"], "Subject: x\r\n\r\nx\r\n")
                wait_for(lambda: sink.taken, system.log)
                line = wait_for(
                    lambda: next((line for line in system.log().splitlines() if "to=<b@none.test>" in line), ""), system.log
                )
                system.logged(f"relay=mx.srv.test[127.0.0.1]:{sink.port}")
        finally:
            zone.close()
    assert set(refusing.commands) == {b"QUIT"}  # it was tried first, and would not talk
    assert "dsn=5.1.0, status=bounced (Domain none.test does not offer service submission (null SRV))" in line


def test_refusals_in_other_words_and_private_sessions() -> None:
    settings = {
        "smtpd_reject_filter_maps": "inline:{{454 4.7.1 <x@other.test>: Relay access denied = 550 5.7.1 Not here}}",
        "smtpd_reject_footer": "ask us",
        "smtpd_hide_client_session": "yes",
        "smtpd_relay_restrictions": "check_recipient_access inline:{x@other.test=defer_unauth_destination} permit_mynetworks"
        " reject",
    }
    with Sink() as sink, System(settings, relay=sink.port) as system:
        with smtplib.SMTP("127.0.0.1", system.port, local_hostname="laptop.private.test") as client:
            client.ehlo()
            client.mail("a@a.test")
            assert client.rcpt("x@other.test") == (550, b"5.7.1 Not here\n5.7.1 ask us")
            client.rset()
            client.sendmail("a@a.test", ["b@elsewhere.test"], "Subject: x\r\n\r\nx\r\n")
        wait_for(lambda: sink.taken, system.log)
        log = system.log()
    assert "454 4.7.1 <x@other.test>: Relay access denied; from=" in log  # what was decided
    header = sink.taken[0].content.partition(b"\r\n\r\n")[0]
    assert header.startswith(b"Received: by mail.example.test (Postfix) id ")
    assert b"laptop" not in header and b"127.0.0.1" not in header and b"SMTP" not in header


def test_permissions_are_told() -> None:
    settings = {"smtpd_log_access_permit_actions": "static:all", "smtpd_relay_restrictions": "permit_mynetworks, reject"}
    with Sink() as sink, System(settings, relay=sink.port) as system:
        with smtplib.SMTP("127.0.0.1", system.port, local_hostname="helo.test") as client:
            client.sendmail("a@a.test", ["b@elsewhere.test"], "Subject: x\r\n\r\nx\r\n")
        client = "unknown[127.0.0.1]"
        told = f"NOQUEUE: permit: RCPT from {client}: action=permit_mynetworks for Client host={client}; from=<a@a.test>"
        wait_for(lambda: told in system.log(), system.log)
