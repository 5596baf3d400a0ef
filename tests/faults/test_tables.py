"""A table's server breaks under a running Gatepost: mail that needs the table is put off, all other mail goes on meanwhile, the log
says once who is away and once that he is back, and nothing has to be restarted."""

import itertools
from collections.abc import Iterator

import pytest

from tests.integration.faulty_way import FAULTS, FaultyWay
from tests.integration.line_servers import TcpTable
from tests.support.running import Client, System, wait_for

_MAIN = {
    "smtpd_recipient_restrictions": "check_sender_access inline:{asks.test=asking}, permit_mynetworks, reject",
    "mynetworks": "127.0.0.0/8, 192.0.2.0/24",
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "smtpd_restriction_classes": "asking",
    "helper_lookup_timeout": "2s",
    "helper_probe_interval": "1s",
    "worker_processes": "1",
}
_REFUSES = "refuses connections"
_AWAY = "counts as away after"
_SESSIONS = 10


@pytest.fixture(scope="module")
def way() -> Iterator[FaultyWay]:
    server = TcpTable({"known@example.test": "REJECT known here"})
    one = FaultyWay(server.port)
    yield one
    one.stop()
    server.clean()


@pytest.fixture(scope="module")
def system(way: FaultyWay) -> Iterator[System]:
    table = f"tcp:127.0.0.1:{way.port}"
    with System({**_MAIN, "asking": f"check_recipient_access {table}"}) as one:
        yield one


_NUMBERS = itertools.count(1)


def come(system: System, domain: str) -> Client:
    """A client of an address of its own: what one alone is not answered counts against him."""
    client = system.client()
    client.say("EHLO proxy.example.com")
    assert client.say(f"XCLIENT ADDR=192.0.2.{next(_NUMBERS) % 250} NAME=[UNAVAILABLE]")[0] == 220
    client.say("EHLO client.example.com")
    client.say(f"MAIL FROM:<a@{domain}>")
    return client


def rcpt(system: System, domain: str) -> tuple[int, str]:
    with come(system, domain) as client:
        return client.say("RCPT TO:<known@example.test>")


@pytest.mark.parametrize("fault", [*filter(None, FAULTS), _REFUSES])
def test_a_broken_server_has_the_mail_that_needs_it_and_no_other(system: System, way: FaultyWay, fault: str) -> None:
    wait_for(lambda: rcpt(system, "asks.test") == (554, "5.7.1 <known@example.test>: Recipient address rejected: known here"), "it")
    before = system.log().count(_AWAY)
    if fault == _REFUSES:
        way.stop()
    else:
        way.fault = fault
        way.cut()
    try:
        waiting = [come(system, "asks.test") for _ in range(_SESSIONS)]
        for client in waiting:
            client.write(b"RCPT TO:<known@example.test>\r\n")
        assert rcpt(system, "fast.test")[0] == 250, "others need not wait"
        for client in waiting:
            code, text = client.reply()
            assert code == 451 and "127.0.0.1" not in text, text
            client.close()
        wait_for(lambda: system.log().count(_AWAY) > before, "a line that says so")
    finally:
        way.fault = ""
        if fault == _REFUSES:
            way.start()
    wait_for(lambda: rcpt(system, "asks.test")[0] == 554, "the server to be asked again", 20)
    log = system.log()
    assert log.count(_AWAY) == before + 1
    assert "Traceback" not in log and "panic" not in log
