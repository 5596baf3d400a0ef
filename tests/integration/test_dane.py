"""DANE toward servers (RFC 7672) over a signed zone and a validating name server: all ends as with Postfix."""

import hashlib
import os
import re
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.postfix import Postfix
from tests.support.certificate import Certificate, make
from tests.support.running import MASTER, System, wait_for
from tests.support.signed_dns import SignedDns
from tests.support.sink import Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

PAGE = (Path(__file__).parents[2] / "docs" / "tls-to-others.md").read_text().partition("\n## MTA-STS\n")[0]
_HOST = "mx.ta.test"
_OTHER = "00" * 32
_END = "-----END CERTIFICATE-----\n"
ZONE = """
sender.test A 127.0.0.1
ee.test MX 10 mx.ee.test
mx.ee.test A 127.0.0.1
_{port}._tcp.mx.ee.test TLSA 3 1 1 {key}
whole.test MX 10 mx.whole.test
mx.whole.test A 127.0.0.1
_{port}._tcp.mx.whole.test TLSA 3 0 0 {certificate}
ta.test MX 10 mx.ta.test
mx.ta.test A 127.0.0.1
_{port}._tcp.mx.ta.test TLSA 2 0 1 {authority}
tawhole.test MX 10 mx.tawhole.test
mx.tawhole.test A 127.0.0.1
_{port}._tcp.mx.tawhole.test TLSA 2 0 1 {authority}
aliased.test MX 10 alias.test
alias.test CNAME mx.ta.test
twice.test MX 10 second.test
second.test CNAME mx.none.test
_{port}._tcp.second.test TLSA 3 1 1 {key}
pointer.test MX 10 mx.pointer.test
mx.pointer.test A 127.0.0.1
_{port}._tcp.mx.pointer.test CNAME records.test
records.test TLSA 3 1 1 {key}
implicit.test A 127.0.0.1
_{port}._tcp.implicit.test TLSA 3 1 1 {key}
some.test MX 10 mx.some.test
mx.some.test A 127.0.0.1
_{port}._tcp.mx.some.test TLSA 1 0 1 {other}
_{port}._tcp.mx.some.test TLSA 3 1 1 {key}
rollover.test MX 10 mx.rollover.test
mx.rollover.test A 127.0.0.1
_{port}._tcp.mx.rollover.test TLSA 3 1 1 {other}
_{port}._tcp.mx.rollover.test TLSA 3 1 1 {key}
none.test MX 10 mx.none.test
mx.none.test A 127.0.0.1
unusable.test MX 10 mx.unusable.test
mx.unusable.test A 127.0.0.1
_{port}._tcp.mx.unusable.test TLSA 1 0 1 {other}
_{port}._tcp.mx.unusable.test TLSA 3 7 1 {key}
_{port}._tcp.mx.unusable.test TLSA 3 0 9 {key}
wrong.test MX 10 mx.wrong.test
mx.wrong.test A 127.0.0.1
_{port}._tcp.mx.wrong.test TLSA 3 1 1 {other}
agile.test MX 10 mx.agile.test
mx.agile.test A 127.0.0.1
_{port}._tcp.mx.agile.test TLSA 3 1 1 {key}
_{port}._tcp.mx.agile.test TLSA 3 1 2 {other}{other}
misnamed.test MX 10 mx.misnamed.test
mx.misnamed.test A 127.0.0.1
_{port}._tcp.mx.misnamed.test TLSA 2 0 1 {authority}
malformed.test MX 10 mx.malformed.test
mx.malformed.test A 127.0.0.1
_{port}._tcp.mx.malformed.test TLSA 3 1 1 00
stripped.test MX 10 mx.stripped.test
mx.stripped.test A 127.0.0.1
_{bare}._tcp.mx.stripped.test TLSA 3 1 1 {key}
strippedbad.test MX 10 mx.strippedbad.test
mx.strippedbad.test A 127.0.0.1
_{bare}._tcp.mx.strippedbad.test TLSA 1 1 1 {key}
unknown.test MX 10 mx.unknown.test
mx.unknown.test A 127.0.0.1
_{port}._tcp.mx.unknown.test TLSA 3 1 1 {key}
second-of-two.test MX 10 mx.wrong.test
second-of-two.test MX 20 mx.ee.test
dom.bogus MX 10 mx.ee.test
host.test MX 10 mx.bogus
mx.bogus A 127.0.0.1
dom.plain MX 10 mx.plain
mx.plain A 127.0.0.1
_{port}._tcp.mx.plain TLSA 3 1 1 {other}
six.test MX 10 mx.six.test
mx.six.test AAAA ::1
_{port}._tcp.mx.six.test TLSA 3 1 1 {key}
sixwrong.test MX 10 mx.sixwrong.test
mx.sixwrong.test AAAA ::1
_{port}._tcp.mx.sixwrong.test TLSA 3 1 1 {other}
both.test MX 10 mx.both.test
mx.both.test AAAA ::1
mx.both.test A 127.0.0.1
_{port}._tcp.mx.both.test TLSA 3 1 1 {key}
dropped.test MX 10 mx.dropped.test
mx.dropped.test A 127.0.0.1
_{port}._tcp.mx.dropped.test TLSA 3 1 1 {other}
fewer.test MX 10 mx.fewer.test
mx.fewer.test A 127.0.0.1
_{port}._tcp.mx.fewer.test TLSA 3 1 2 {letters}{letters}
_{port}._tcp.mx.fewer.test TLSA 3 1 1 {key}
nonsense.test MX 10 mx.nonsense.test
mx.nonsense.test A 127.0.0.1
_{port}._tcp.mx.nonsense.test TLSA 3 1 1 {key}
half.plain MX 10 mx.ee.test
halfwrong.plain MX 10 mx.wrong.test
"""
FILTER = (
    r"regexp:{{/^_[0-9]+\._tcp\.mx\.dropped\.test\. [0-9]+ IN TLSA 3 1 1 0000/ IGNORE}, "
    r"{/^_[0-9]+\._tcp\.mx\.fewer\.test\. [0-9]+ IN TLSA 3 1 2 abab/ IGNORE}, {/mx\.nonsense\.test\. [0-9]+ IN TLSA/ nonsense}}"
)
"""smtp_dns_reply_filter."""
OPPORTUNISTIC = (
    "ee.test whole.test ta.test tawhole.test aliased.test twice.test pointer.test implicit.test some.test rollover.test none.test "
    "unusable.test malformed.test wrong.test agile.test misnamed.test stripped.test strippedbad.test unknown.test "
    "dropped.test fewer.test nonsense.test second-of-two.test dom.bogus host.test dom.plain half.plain halfwrong.plain"
).split()
SIXTH = "six.test sixwrong.test both.test".split()
"""Domains whose host has an IPv6 address."""
BY_LMTP = "ee.test ta.test none.test wrong.test unknown.test dropped.test unusable.test dom.plain stripped.test".split()
"""Domains to whose host mail goes by LMTP, too."""
ONLY = "ee.test dropped.test none.test wrong.test unknown.test dom.plain half.plain".split()
CASES = [
    *((domain, "b") for domain in OPPORTUNISTIC + SIXTH),
    *((domain, "only") for domain in ONLY),
    *((domain, "lmtp") for domain in BY_LMTP),
]
"""Domains, and the recipient there: `only` gets the level dane-only, `lmtp` goes by LMTP."""


class Way:
    """One mail system that has sent a mail to all."""

    def __init__(self, port: int, log: Callable[[], str]) -> None:
        self._log = log
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            for domain, box in CASES:
                client.sendmail("a@sender.test", [f"{box}@{domain}"], "Subject: x\r\n\r\nbody\r\n")

    def outcome(self, domain: str, box: str) -> str:
        line = wait_for(lambda: self._line(f"to=<{box}@{domain}>"), lambda: f"an outcome of {domain}\n{self._log()[-6000:]}", 60)
        return _leveled("{} {} {}".format(*re.findall(r"relay=(.*?), .*(dsn=.*?), (status=\w+ .*)", line)[0]))

    def trust(self) -> set[str]:
        """What the log says of TLS connections and of look-ups for policies."""
        for case in CASES:
            self.outcome(*case)
        lines = [line.split("]: ", 1)[1] for line in self._log().splitlines() if "/smtp[" in line or "/lmtp[" in line]
        told = (_leveled(re.sub(r": TLSv1.*", "", line)) for line in lines if "TLS" in line or "verif" in line or "DNSSEC" in line)
        return {text for text in told if "status=" not in text and not re.match(r"[0-9A-Za-z]{11,}: ", text)}

    def _line(self, text: str) -> str:
        return next((line for line in self._log().splitlines() if text in line and "status=" in line), "")


def _leveled(text: str) -> str:
    """Without what differs from day to day; of a record that cannot be read we do not tell what is in it."""
    text = re.sub(r"(unusable TLSA RR:) (3 1 1 00|malformed)", r"\1 ...", text)
    text = re.sub(
        r"(ignoring DNS RR: \S+) \d+ (IN TLSA . . . [0-9a-f]+)\b.*", r"\1 TTL \2", text
    )  # 3.7 has more behind it, which is nothing
    return re.sub(r"queued as \w+", "queued", re.sub(r":\d{4,5}\b", ":PORT", text))


def _digests(certificate: Certificate) -> dict[str, str]:
    first = [file.read_text().partition(_END)[0] + _END for file in (certificate.chain, certificate.authority)]
    der = [ssl.PEM_cert_to_DER_cert(text) for text in first]
    key = subprocess.run(
        ["openssl", "pkey", "-in", certificate.key, "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    return {
        "key": hashlib.sha256(key).hexdigest(),
        "certificate": der[0].hex(),
        "authority": hashlib.sha256(der[1]).hexdigest(),
        "other": _OTHER,
        "letters": "ab" * 32,
    }


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sink, Sink, Certificate]]:
    """One that has a certificate for mx.ta.test, and one without STARTTLS."""
    certificate = make(tmp_path_factory.mktemp("dane"), _HOST)
    certificate.chain.write_text(certificate.chain.read_text() + certificate.authority.read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with Sink(keywords=(b"STARTTLS", b"8BITMIME"), tls=context) as sink, Sink() as bare:
        with Sink(keywords=(b"STARTTLS", b"8BITMIME"), tls=context, host="::1", port=sink.port):
            yield sink, bare, certificate


@pytest.fixture(scope="module")
def dns(sinks: tuple[Sink, Sink, Certificate]) -> Iterator[SignedDns]:
    sink, bare, certificate = sinks
    zone = ZONE.format(port=sink.port, bare=bare.port, **_digests(certificate))
    server = SignedDns(zone, ("bogus", "_tcp.mx.unknown.test"))
    yield server
    server.close()


def _main(sinks: tuple[Sink, Sink, Certificate]) -> dict[str, str]:
    transports = [f"{{ {name}.test = smtp:{name}.test:{sinks[1].port} }}" for name in ("stripped", "strippedbad")]
    transports += (f"{{ only@{domain} = only: }}" for domain in ONLY)
    ports = {"stripped.test": sinks[1].port}
    hosts = {domain: re.findall(rf"(?m)^{domain} MX 10 (\S+)$", ZONE)[0] for domain in BY_LMTP}
    transports += (f"{{ lmtp@{name} = danelmtp:inet:{host}:{ports.get(name, sinks[0].port)} }}" for name, host in hosts.items())
    return {
        "smtp_tcp_port": str(sinks[0].port),
        "inet_protocols": "all",
        "smtp_address_preference": "ipv6",
        "smtp_dns_reply_filter": FILTER,
        "virtual_mailbox_domains": "",
        "transport_maps": f"inline:{{ {', '.join(transports)} }}",
        **dict(re.findall(r"(?m)^ {4,}(\w+) = (.*)$", PAGE)),
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "smtpd_sender_restrictions": "",
        "smtpd_recipient_restrictions": "",
        "maximal_queue_lifetime": "1d",
        "smtp_tls_connection_reuse": "no",
        "smtp_connection_cache_on_demand": "no",
    }


_ONLY = """\
only unix - - n - - smtp -o smtp_tls_security_level=dane-only
danelmtp unix - - n - - lmtp -o lmtp_tls_security_level=dane -o lmtp_dns_support_level=dnssec -o lmtp_tls_loglevel=1
 -o lmtp_connection_cache_on_demand=no
"""


@pytest.fixture(scope="module")
def theirs(dns: SignedDns, sinks: tuple[Sink, Sink, Certificate]) -> Iterator[Way]:
    """Postfix."""
    main = "".join(f"{name} = {value}\n" for name, value in _main(sinks).items())
    postfix = Postfix(main, _ONLY, prefix=dns.prefix)
    try:
        yield Way(postfix.port, lambda: postfix.log)
    finally:
        postfix.clean()


@pytest.fixture(scope="module")
def ours(dns: SignedDns, sinks: tuple[Sink, Sink, Certificate]) -> Iterator[Way]:
    """Gatepost."""
    with System(_main(sinks), MASTER + _ONLY, prefix=dns.prefix) as system:
        yield Way(system.port, system.log)


@pytest.mark.parametrize(("domain", "box"), CASES)
def test_the_mail_ends_as_with_postfix(domain: str, box: str, ours: Way, theirs: Way) -> None:
    assert ours.outcome(domain, box) == theirs.outcome(domain, box)


def test_the_log_says_what_postfix_says(ours: Way, theirs: Way) -> None:
    assert ours.trust() - theirs.trust() == set()
    assert {line for line in theirs.trust() - ours.trust() if "hostname mismatch" not in line} == set()
    assert len(ours.trust()) > 20


def test_what_the_page_says(dns: SignedDns, sinks: tuple[Sink, Sink, Certificate]) -> None:
    """Its lines of main.cf are those of all tests here; and its commands, and its words for what the log says."""
    assert set(_main(sinks).items()) >= {
        ("smtp_dns_support_level", "dnssec"), ("smtp_tls_security_level", "dane"), ("smtp_tls_loglevel", "1"),
    }  # fmt: skip
    with System(_main(sinks), MASTER, prefix=dns.prefix) as system:
        commands = re.findall(r"`gatepost (\w+)`", PAGE)
        assert commands == ["check", "reload"]
        for command in commands:
            assert system.command(command).returncode == 0
        assert system.send(sender="a@sender.test", to="b@ee.test")
        assert system.send(sender="a@sender.test", to="b@unknown.test")
        for words in ("Verified TLS connection established to ", "TLSA lookup error for "):
            assert f"`{words}" in PAGE
            system.logged(words)


def test_nothing_of_the_mail_is_said_in_the_clear(ours: Way, sinks: tuple[Sink, Sink, Certificate]) -> None:
    for domain in ("stripped.test", "strippedbad.test"):
        assert "TLS is required, but was not offered" in ours.outcome(domain, "b")
    assert {line.split(b" ")[0] for line in sinks[1].in_clear} <= {b"EHLO", b"LHLO", b"QUIT"}
