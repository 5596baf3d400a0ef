"""Classes 7, 19, 21 and 22 for SPF: policies that amplify, names and senders that are meant for somebody else's parser."""

import os
import re
import smtplib
from collections.abc import Iterator

import pytest

from tests.support.name_server import ZoneServer
from tests.support.running import System

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

_HUNDRED = "\n".join(f"m{one}.test MX {n} h{one}-{n}.test\nh{one}-{n}.test A 203.0.113.{n}" for one in range(11) for n in range(10))
ZONE = f"""
mx.test TXT v=spf1 {" ".join(f"mx:m{one}.test" for one in range(11))} -all
include.test TXT v=spf1 include:include.test include:include.test -all
redirect.test TXT v=spf1 redirect=redirect.test
void.test TXT v=spf1 {" ".join(f"a:%{{l}}.{one}.v.test" for one in range(9))} -all
local.test TXT v=spf1 exists:%{{l}}.%{{h}}.x.test -all exp=why.test
why.test TXT %{{s}} %{{h}} %{{L}} is not welcome
{_HUNDRED}
"""
MOST = 2 + 10 * 11
"""Questions that one policy may cost, beside HELO's."""
_LINE = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/[a-z-]+\[\d+\]: .*$")


@pytest.fixture(scope="module")
def dns() -> Iterator[ZoneServer]:
    one = ZoneServer(ZONE)
    yield one
    one.close()


@pytest.fixture(scope="module")
def system(dns: ZoneServer) -> Iterator[System]:
    main = {
        "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
        "smtpd_peername_lookup": "no",
        "smtpd_recipient_restrictions": "check_spf",
        "smtpd_error_sleep_time": "0",
        "smtpd_hard_error_limit": "1000",
        "spf_permerror_action": "reject",
        "mydestination": "example.net",
        "local_recipient_maps": "",
        "local_transport": "discard",
    }
    with System(main, prefix=dns.prefix) as one:
        yield one


def rcpt(system: System, sender: str, helo: str = "helo.nowhere.test") -> tuple[int, str]:
    with smtplib.SMTP("127.0.0.1", system.port, timeout=60) as client:
        client.ehlo("proxy.test")
        assert client.docmd("XCLIENT", "ADDR=192.0.2.1 NAME=[UNAVAILABLE]")[0] == 220
        client.ehlo(helo)
        client.docmd("MAIL", f"FROM:<{sender}>")
        code, text = client.docmd("RCPT", "TO:<b@example.net>")
    return code, text.decode()


@pytest.mark.parametrize("name", ["mx", "include", "redirect", "void"])
def test_no_policy_costs_more_than_its_limits(system: System, dns: ZoneServer, name: str) -> None:
    before = dns.questions
    code, text = rcpt(system, f"bob@{name}.test")
    assert (code, text[:7]) == (550, "5.7.24 "), text
    assert dns.questions - before <= MOST


HOSTILE = [
    '"a\\"b"', '"a b"', '"$(id)`id`"', '"a\\\\b"', "%{d}", '"%{d}%{d}"', '"); DROP TABLE x;--"', '"*)(uid=*"', "a=action=OK",
    '"a@b"', "x" * 64, '"' + "." * 60 + '"', '"\\|cat"', "{0.__class__}", "%s%n",
]  # fmt: skip


@pytest.mark.parametrize("local", HOSTILE)
def test_hostile_local_parts(system: System, local: str) -> None:
    """Whatever it is, the answer is one line of ours, and mail of others goes on."""
    code, text = rcpt(system, f"{local}@local.test")
    assert code in (250, 550), text
    assert "\n" not in text
    assert rcpt(system, "bob@nowhere.test")[0] == 250
    for line in system.log().split("\n")[:-1]:
        assert _LINE.match(line), repr(line)


@pytest.mark.parametrize("helo", ["a(b.test", "x.y\\.test", '"a".test', "." * 60, "a" * 200 + ".test", "[192.0.2.1]", "%{d}.test"])
def test_hostile_names(system: System, helo: str) -> None:
    assert rcpt(system, "bob@local.test", helo)[0] in (250, 550)
    assert rcpt(system, "bob@nowhere.test", helo)[0] == 250


def test_nothing_was_sent_back(system: System) -> None:
    """Whoever is refused is told so in the session; no notice leaves for a forged sender."""
    assert system.queue() == []
