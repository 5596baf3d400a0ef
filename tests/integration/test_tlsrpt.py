"""Reports about TLS (RFC 8460): mail goes to servers whose TLS is as it should be, and is not; the day's reports arrive."""

import contextlib
import email
import gzip
import hashlib
import json
import os
import pwd
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.running import MASTER, OWNER, System, wait_for
from tests.support.signed_dns import SignedDns
from tests.support.sink import Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

PAGE = Path(__file__).parents[2] / "docs" / "tls-reports.md"
_RUA = '"v=TLSRPTv1;rua=mailto:reports@reports.test"'
_ZONE = """
sender.test A 127.0.0.1
ee.test MX 10 mx.ee.test
mx.ee.test A 127.0.0.1
_{good}._tcp.mx.ee.test TLSA 3 1 1 {key}
wrong.test MX 10 mx.wrong.test
mx.wrong.test A 127.0.0.1
_{good}._tcp.mx.wrong.test TLSA 3 1 1 {other}
sts.test MX 10 mx.sts.test
mx.sts.test A 127.0.0.1
expired.test MX 10 mx.expired.test
mx.expired.test A 127.0.0.1
plain.test MX 10 mx.plain.test
mx.plain.test A 127.0.0.1
silent.test MX 10 mx.silent.test
mx.silent.test A 127.0.0.1
bad.bogus MX 10 mx.ee.test
"""
_REPORTING = ("ee.test", "wrong.test", "sts.test", "expired.test", "plain.test", "misnamed.test")
_STS = "secure policy_type=sts policy_domain={domain} mx_host_pattern=mx.{domain} {{ policy_string = mode: enforce }}"


def _issue(folder: Path, name: str, by: tuple[x509.Name, ec.EllipticCurvePrivateKey], ends: datetime) -> ssl.SSLContext:
    """What a server shows that has a certificate for a name, until some time."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), key, by, ends, name)
    chain, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key_file)
    return context


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: tuple[x509.Name, ec.EllipticCurvePrivateKey],
    ends: datetime,
    name: str = "",
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=30))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=not name, path_length=None), critical=True)
    )
    if name:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(by[1], hashes.SHA256())


class Receivers:
    """Servers by what is the matter with them, the zone that leads to them, and an authority for their certificates."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        authority = (
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")]),
            ec.generate_private_key(ec.SECP256R1()),
        )
        own = _signed(authority[0], authority[1], authority, now + timedelta(days=1))
        keywords = (b"STARTTLS", b"8BITMIME")
        self.good = Sink(keywords=keywords, tls=_issue(folder, "mx.sts.test", authority, now + timedelta(days=1)))
        self.expired = Sink(keywords=keywords, tls=_issue(folder, "mx.expired.test", authority, now - timedelta(days=1)))
        self.bare = Sink()
        pem = (folder / "mx.sts.test.pem").read_bytes()
        public = x509.load_pem_x509_certificate(pem).public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        zone = _ZONE.format(good=self.good.port, key=hashlib.sha256(der).hexdigest(), other="00" * 32)
        zone += "misnamed.test MX 10 mx.misnamed.test\nmx.misnamed.test A 127.0.0.1\n"
        zone += "".join(f"_smtp._tls.{domain} TXT {_RUA}\n" for domain in _REPORTING)
        self.dns = SignedDns(zone)
        self.authority = self.dns.folder / "ca.pem"  # where workers can read it
        self.authority.write_bytes(own.public_bytes(serialization.Encoding.PEM))
        self.transports = {"expired.test": self.expired.port, "plain.test": self.bare.port, "silent.test": self.bare.port}

    def close(self) -> None:
        self.dns.close()
        for sink in (self.good, self.expired, self.bare):
            sink.close()


@pytest.fixture(scope="module")
def receivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receivers]:
    made = Receivers(tmp_path_factory.mktemp("receivers"))
    yield made
    made.close()


def _main(receivers: Receivers, **more: str) -> dict[str, str]:
    owner = pwd.getpwnam(OWNER)
    transports = ", ".join(f"{{ {domain} = smtp:{domain}:{port} }}" for domain, port in receivers.transports.items())
    policies = ("sts.test", "misnamed.test", f"expired.test:{receivers.expired.port}")
    listed = ", ".join(f"{{ {domain} = {_STS.format(domain=domain.partition(':')[0])} }}" for domain in policies)
    return {
        "smtp_tcp_port": str(receivers.good.port),
        "smtp_dns_support_level": "dnssec",
        "smtp_tls_security_level": "dane",
        "smtp_tls_loglevel": "1",
        "smtp_tls_CAfile": str(receivers.authority),
        "smtp_tls_policy_maps": f"inline:{{ {listed} }}",
        "smtp_connection_cache_on_demand": "no",
        "minimal_backoff_time": "1h",
        "maximal_backoff_time": "1h",
        "transport_maps": f"inline:{{ {transports} }}",
        "virtual_mailbox_domains": "reports.test",
        "virtual_mailbox_maps": "inline:{ reports@reports.test=reports/ }",
        "virtual_mailbox_base": "{dir}",
        "virtual_minimum_uid": "1",
        "virtual_uid_maps": f"static:{owner.pw_uid}",
        "virtual_gid_maps": f"static:{owner.pw_gid}",
        "mydomain": "example.test",
        **dict(re.findall(r"(?m)^ {4,}(\w*tlsrpt\w*) = (.*)$", PAGE.read_text())),
        **more,
    }


def _sessions(system: System) -> None:
    """One mail to each domain, and two to the good one."""
    (system.folder / "reports").mkdir()
    os.chown(system.folder / "reports", pwd.getpwnam(OWNER).pw_uid, -1)
    for domain in ("ee.test", *_REPORTING, "silent.test"):
        assert system.send(sender="a@sender.test", to=f"b@{domain}")
    for domain in (*_REPORTING, "silent.test"):
        system.logged(f"to=<b@{domain}>", "status=", seconds=30)
    wait_for(lambda: system.log().count("to=<b@ee.test>") == 2, system.log)


def _shown(system: System, *words: str) -> dict[str, Any]:
    """By domain."""
    return {
        one["policies"][0]["policy"]["policy-domain"]: one for one in json.loads(system.command("tlsrpt", *words).stdout or "[]")
    }


def _mails(folder: Path) -> dict[str, Message]:
    """Those that came, by the domain that they are about."""
    mails = [email.message_from_bytes(file.read_bytes()) for file in folder.glob("new/*")]
    return {mail["TLS-Report-Domain"]: mail for mail in mails}


FAILURES = {
    "wrong.test": ("tlsa", "mx.wrong.test", "tlsa-invalid"),
    "expired.test": ("sts", "expired.test", "certificate-expired"),
    "plain.test": ("no-policy-found", "plain.test", "starttls-not-supported"),
    "misnamed.test": ("sts", "misnamed.test", "certificate-host-mismatch"),
}


@pytest.fixture(scope="module")
def sending(receivers: Receivers) -> Iterator[System]:
    """One that has sent the reports of today."""
    with System(_main(receivers), MASTER, prefix=receivers.dns.prefix) as system:
        _sessions(system)
        wait_for(lambda: len(_shown(system)) == len(_REPORTING) + 1, lambda: system.command("tlsrpt").stdout, 30)
        assert system.command("tlsrpt", "--send").returncode == 0
        wait_for(lambda: len(_mails(system.folder / "reports")) == len(_REPORTING), system.log, 30)
        yield system


@pytest.fixture(scope="module")
def reports(sending: System) -> dict[str, Message]:
    """The mails of a day."""
    return _mails(sending.folder / "reports")


def _body(mail: Message) -> dict[str, Any]:
    part = mail.get_payload()[1]
    assert part.get_content_type() == "application/tlsrpt+gzip"
    return json.loads(gzip.decompress(part.get_payload(decode=True)))  # type: ignore[no-any-return]


def test_only_domains_that_want_reports_get_one(reports: dict[str, Message]) -> None:
    assert reports.keys() == set(_REPORTING)


def test_the_mail_is_as_rfc_8460_has_it(reports: dict[str, Message]) -> None:
    mail = reports["ee.test"]
    assert mail["Return-Path"] == "<>"
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "tlsrpt"
    assert (mail["TLS-Report-Submitter"], mail["TLS-Required"]) == ("example.test", "No")
    assert mail["From"] == "tls-reports@example.test"
    body = _body(mail)
    assert mail["Subject"] == f"Report Domain: ee.test Submitter: example.test Report-ID: <{body['report-id']}>"
    assert re.fullmatch(r"example\.test!ee\.test!\d+!\d+\.json\.gz", mail.get_payload()[1].get_filename() or "")


def test_the_good_are_counted(reports: dict[str, Message]) -> None:
    for domain, kind, number in (("ee.test", "tlsa", 2), ("sts.test", "sts", 1)):
        (policy,) = _body(reports[domain])["policies"]
        assert policy["policy"]["policy-type"] == kind
        assert policy["summary"] == {"total-successful-session-count": number, "total-failure-session-count": 0}
        assert "failure-details" not in policy
    assert _body(reports["sts.test"])["policies"][0]["policy"] == {
        "policy-type": "sts", "policy-string": ["mode: enforce"], "policy-domain": "sts.test", "mx-host": ["mx.sts.test"],
    }  # fmt: skip


@pytest.mark.parametrize("domain", FAILURES)
def test_the_bad_are_told_apart(domain: str, reports: dict[str, Message]) -> None:
    kind, policy_domain, result = FAILURES[domain]
    (policy,) = _body(reports[domain])["policies"]
    assert (policy["policy"]["policy-type"], policy["policy"]["policy-domain"]) == (kind, policy_domain)
    assert policy["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 1}
    (failure,) = policy["failure-details"]
    assert (failure["result-type"], failure["failed-session-count"]) == (result, 1)
    assert (failure["receiving-mx-hostname"], failure["receiving-ip"]) == (f"mx.{domain}", "127.0.0.1")
    assert failure["sending-mta-ip"] == "127.0.0.1"


def test_every_command_of_the_page(sending: System, reports: dict[str, Message]) -> None:
    said = PAGE.read_text()
    commands = re.findall(r"`gatepost ([^`]+)`", said)
    assert commands == ["check", "reload", "tlsrpt", "tlsrpt --date 2026-11-28 ee.test", "tlsrpt --send"]
    nothing = {"tlsrpt --date 2026-11-28 ee.test": 1}
    assert "TLS report for … sent to …" in said
    for command in commands:
        done = sending.command(*command.split())
        assert done.returncode == nothing.get(command, 0), done.stderr
    sending.logged("TLS report for ee.test sent to reports@reports.test")


@pytest.mark.parametrize("words", [("--date", "yesterday"), ("--what",), ("--send", "ee.test")])
def test_a_wrong_call_says_how(words: tuple[str, ...], sending: System) -> None:
    done = sending.command("tlsrpt", *words)
    assert (done.returncode, "usage: gatepost tlsrpt" in done.stderr) == (64, True)


def test_a_reload_loses_no_count(receivers: Receivers) -> None:
    """What the old workers have counted and not stored yet, they store before they end."""
    with System(_main(receivers), MASTER, prefix=receivers.dns.prefix) as system:
        old = set(system.workers())
        for number in range(4):
            assert system.send(sender="a@sender.test", to=f"b{number}@silent.test")
        for number in range(4):
            system.logged(f"to=<b{number}@silent.test>", "status=sent")
        system.reload()
        wait_for(lambda: not old & set(system.workers()), "new workers alone", 60)
        counted = _shown(system)["silent.test"]["policies"][0]["summary"]
        assert counted == {"total-successful-session-count": 0, "total-failure-session-count": 4}
        assert system.send(sender="a@sender.test", to="b4@silent.test")
        system.logged("to=<b4@silent.test>", "status=sent")
        system.stop()
        counted = _shown(system)["silent.test"]["policies"][0]["summary"]
        assert counted["total-failure-session-count"] == 5


def test_another_collector_is_told(receivers: Receivers, tmp_path: Path) -> None:
    """smtp_tlsrpt_socket_name: as libtlsrpt tells it, of domains that want reports; the page of `gatepost tlsrpt` stays empty."""
    with System(_main(receivers, smtp_tlsrpt_socket_name="tlsrpt.sock"), MASTER, prefix=receivers.dns.prefix) as system:
        path = system.spool / "tlsrpt.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as collector:
            collector.bind(str(path))
            path.chmod(0o666)
            collector.settimeout(30)
            assert system.send(sender="a@sender.test", to="b@silent.test")
            system.logged("to=<b@silent.test>", "status=")
            assert system.send(sender="a@sender.test", to="b@wrong.test")
            told = json.loads(collector.recv(65536))
        assert (told["d"], told["pr"]) == ("wrong.test", _RUA.strip('"'))
        (policy,) = told["policies"]
        assert policy["failure-details"][0].items() >= {"c": 304, "n": "mx.wrong.test", "r": "127.0.0.1"}.items()
        assert (policy["policy-type"], policy["t"], policy["f"]) == (1, 1, 1)
        assert system.command("tlsrpt").stdout == "[]\n"


def test_the_collector_that_postfix_has_counts_what_we_tell(receivers: Receivers) -> None:
    """The real tlsrpt-collectd."""
    with System(_main(receivers, smtp_tlsrpt_socket_name="tlsrpt.sock"), MASTER, prefix=receivers.dns.prefix) as system:
        counts, path = system.folder / "counts", system.spool / "tlsrpt.sock"
        command = [Path(sys.executable).parent / "tlsrpt-collectd", "--storage", f"sqlite://{counts}", "--socketname", path]
        with (system.folder / "output").open("a") as output:
            collectd = subprocess.Popen([*command, "--socketmode", "0666", "--sockettimeout", "1"], stderr=output)
        try:
            wait_for(path.exists, "the socket of the collector")
            for domain in ("ee.test", "ee.test", "wrong.test"):
                assert system.send(sender="a@sender.test", to=f"b@{domain}")
            wait_for(lambda: len(_collected(counts)) == 2, lambda: f"counts: {_collected(counts)}", 30)
            wait_for(lambda: _collected(counts)["ee.test"] == (2, 0), lambda: f"counts: {_collected(counts)}", 30)
            assert _collected(counts)["wrong.test"] == (1, 1)
        finally:
            collectd.terminate()
            collectd.wait(20)


def _collected(file: Path) -> dict[str, tuple[int, int]]:
    """Sessions in all and failed, by domain."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return {
            domain: (all_, failed) for domain, all_, failed in db.execute("SELECT domain, cntrtotal, cntrfailure FROM finalresults")
        }
    return {}


def test_a_sender_that_is_no_address_is_named(receivers: Receivers, tmp_path: Path) -> None:
    system = System(_main(receivers, tlsrpt_sender="nobody"), MASTER, folder=tmp_path)
    checked = system.command("check")
    assert checked.returncode != 0
    assert re.search(r"main\.cf, line \d+: tlsrpt_sender: 'nobody' is no address", checked.stdout + checked.stderr)
