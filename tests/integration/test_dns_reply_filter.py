"""smtp_dns_reply_filter and smtpd_dns_reply_filter: replies, outcomes and log lines are as with Postfix."""

import os
import re
import smtplib
from collections.abc import Callable, Iterator

import pytest

from tests.integration.postfix import Postfix
from tests.support.name_server import ZoneServer
from tests.support.running import MASTER, System, wait_for
from tests.support.sink import Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

ZONE = """
plain.test MX 10 mx.plain.test
mx.plain.test A 127.0.0.1
all.test MX 10 mx.plain.test
all.test A 127.0.0.1
some.test MX 10 away.some.test
some.test MX 20 mx.plain.test
away.some.test A 127.0.0.66
address.test MX 10 mx.address.test
mx.address.test A 127.0.0.2
mixed.test MX 10 mx.address.test
mixed.test MX 20 mx.plain.test
two.test MX 10 mx.two.test
mx.two.test A 127.0.0.77
mx.two.test A 127.0.0.1
action.test MX 10 mx.plain.test
discard.test MX 10 mx.plain.test
host.test MX 10 mx.host.test
mx.host.test A 127.0.0.1
aliased.test MX 10 alias.test
alias.test CNAME real.test
real.test A 127.0.0.1
only.test A 127.0.0.2
broken.test MX 10 mx.plain.test
1.0.0.127.list.test A 127.0.0.9
1.0.0.127.list.test TXT "hello world"
1.0.0.127.told.test A 127.0.0.3
1.0.0.127.told.test TXT "hello world"
served.test MX 10 mx.plain.test
served.test NS ns.served.test
"""
FILTER = r"""
/^all\.test\. .* MX/ IGNORE
/^some\.test\. .* MX 10 / ignore because
/ A 127\.0\.0\.2$/ IGNORE
/ A 127\.0\.0\.77$/ IGNORE
/^ACTION\.test\. .* mx 10 mx\.plain\.test\.$/ REJECT foo
/^discard\.test\./ DISCARD
/^mx\.host\.test\. / nonsense
/^real\.test\. 60 IN A 127\.0\.0\.1$/ IGNORE
/ A 127.0.0.9$/ IGNORE
/ IN TXT hello world$/ IGNORE
/ NS / IGNORE
"""
DOMAINS = "plain all some address mixed two action discard host aliased only broken".split()
CHECKS = {
    "helo": ("mx.address.test", "", "h@ok.test"),
    "helo that has one left": ("mx.two.test", "", "h@ok.test"),
    "sender": ("x.test", "a@all.test", "s@ok.test"),
    "sender with an address only": ("x.test", "a@only.test", "s@ok.test"),
    "sender with one left": ("x.test", "a@some.test", "s@ok.test"),
    "sender, unknown action": ("x.test", "a@action.test", "s@ok.test"),
    "recipient": ("x.test", "", "r@all.test"),
    "list": ("x.test", "", "l@ok.test"),
    "text of a list": ("x.test", "", "t@ok.test"),
    "mail exchangers": ("x.test", "a@all.test", "m@ok.test"),
    "name servers": ("x.test", "a@served.test", "n@ok.test"),
    "backup": ("x.test", "", "k@all.test"),
}
"""HELO, sender and recipient, which has the restriction."""
_RESTRICTIONS = {
    "h@ok.test": "reject_unknown_helo_hostname",
    "s@ok.test": "reject_unknown_sender_domain",
    "r@all.test": "reject_unknown_recipient_domain",
    "l@ok.test": "reject_rbl_client list.test",
    "t@ok.test": "reject_rbl_client told.test",
    "m@ok.test": "check_sender_mx_access static:REJECT",
    "n@ok.test": "check_sender_ns_access static:REJECT",
    "k@all.test": "permit_mx_backup, reject",
}


class Way:
    """One mail system that has met all cases. `replies`: to RCPT, by name of a check."""

    def __init__(self, port: int, log: Callable[[], str]) -> None:
        self._log = log
        self.replies: dict[str, tuple[int, bytes]] = {}
        for name, (helo, sender, recipient) in CHECKS.items():
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                client.ehlo(helo)
                client.mail(sender)
                self.replies[name] = client.rcpt(recipient)
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            for name in DOMAINS:
                client.sendmail("a@plain.test", [f"b@{name}.test"], "Subject: x\r\n\r\nbody\r\n")

    def outcome(self, name: str) -> str:
        """How the mail to a domain ended."""
        line = wait_for(lambda: self._line(f"to=<b@{name}.test>"), lambda: f"an outcome of {name}\n{self._log()[-3000:]}", 40)
        relay, dsn, status = re.findall(r"relay=(.*?), .*(dsn=.*?), (status=\w+ .*)", line)[0]
        return re.sub(r":\d+", ":PORT", f"{relay} {dsn} {status}")

    def _line(self, text: str) -> str:
        return next((line for line in self._log().splitlines() if text in line and "status=" in line), "")

    def remarks(self, daemon: str) -> set[str]:
        """What the log has of the filter."""
        for name in DOMAINS:
            self.outcome(name)
        found = (line.split("]: ", 1)[1] for line in self._log().splitlines() if f"/{daemon}[" in line)
        return {text for text in found if re.match(r"ignoring|warning: .*(lookup|look up|action|valid address)", text)}


def _main(sink: Sink, zone: ZoneServer) -> dict[str, str]:
    filters = f"regexp:{zone.folder}/filter"
    rules = ", ".join(f"{{ {recipient} = {rule} }}" for recipient, rule in _RESTRICTIONS.items())
    return {
        "smtp_tcp_port": str(sink.port),
        "inet_protocols": "ipv4",
        "virtual_mailbox_domains": "",
        "transport_maps": "inline:{{broken.test = broken:}}",
        "smtp_dns_reply_filter": filters,
        "smtpd_dns_reply_filter": filters,
        "smtpd_recipient_restrictions": f"check_recipient_access inline:{{ {rules} }}, permit_mynetworks, reject",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "smtpd_sender_restrictions": "",
        "maximal_queue_lifetime": "1d",
    }


_BROKEN = "broken unix - - n - - smtp -o smtp_dns_reply_filter=fail:because\n"


@pytest.fixture(scope="module")
def zone() -> Iterator[ZoneServer]:
    server = ZoneServer(ZONE)
    (server.folder / "filter").write_text(FILTER)
    yield server
    server.close()


@pytest.fixture(scope="module")
def theirs(zone: ZoneServer) -> Iterator[Way]:
    """Postfix."""
    with Sink() as sink:
        main = "".join(f"{name} = {value}\n" for name, value in _main(sink, zone).items())
        postfix = Postfix(main, _BROKEN, prefix=zone.prefix)
        try:
            yield Way(postfix.port, lambda: postfix.log)
        finally:
            postfix.clean()


@pytest.fixture(scope="module")
def ours(zone: ZoneServer) -> Iterator[Way]:
    """Gatepost."""
    with Sink() as sink, System(_main(sink, zone), MASTER + _BROKEN, prefix=zone.prefix) as system:
        yield Way(system.port, system.log)


@pytest.mark.parametrize("name", CHECKS)
def test_replies_are_as_with_postfix(name: str, ours: Way, theirs: Way) -> None:
    assert ours.replies[name] == theirs.replies[name]


@pytest.mark.parametrize("name", DOMAINS)
def test_the_mail_ends_as_with_postfix(name: str, ours: Way, theirs: Way) -> None:
    assert ours.outcome(name) == theirs.outcome(name)


@pytest.mark.parametrize("daemon", ["smtpd", "smtp"])
def test_the_log_says_what_postfix_says(daemon: str, ours: Way, theirs: Way) -> None:
    assert ours.remarks(daemon) == theirs.remarks(daemon)
    assert len(ours.remarks(daemon)) > 8
