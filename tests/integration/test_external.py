"""EXTERNAL: the certificate that a client shows says who it is. Real handshakes, real clients."""

import base64
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.integration.system import System
from tests.support.certificate import Certificate, issue, make


class People(NamedTuple):
    """Clients' certificates: by an authority that the server trusts; by another; by another, but listed in relay_clientcerts."""

    anna: Certificate
    stranger: Certificate
    listed: Certificate


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    ours = tmp_path_factory.mktemp("ours")
    make(ours, "authority.test")
    anna = issue(ours / "anna", "anna@example.com", ours)
    return People(anna, make(ours / "stranger", "mallory"), make(ours / "listed", "scanner.test"))


@pytest.fixture(scope="module")
def gatepost(certificate: Certificate, people: People) -> Iterator[System]:
    main = f"""\
smtpd_sasl_auth_enable = yes
smtpd_sasl_mechanism_filter = plain, external
smtpd_auth_backends = file:/nonexistent
smtpd_tls_security_level = may
smtpd_tls_ask_ccert = yes
smtpd_tls_fingerprint_digest = sha256
smtpd_tls_chain_files = {certificate.key} {certificate.chain}
mynetworks = 192.0.2.1
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sasl_authenticated_header = yes
"""
    one = System(main)
    (one.conf / "clients.pem").write_bytes(people.anna.authority.read_bytes())
    listed = x509.load_pem_x509_certificate(people.listed.chain.read_bytes()).fingerprint(SHA256()).hex(":").upper()
    (one.conf / "clients").write_text(f"{listed} scanner\n")
    one.change(f"smtpd_tls_CAfile = {one.conf}/clients.pem\nrelay_clientcerts = texthash:{one.conf}/clients")
    with one:
        yield one


class Session:
    """A session over TLS, with a certificate or without."""

    def __init__(self, gatepost: System, shown: Certificate | None, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self.client = smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20)
        context = ssl._create_unverified_context()
        context.maximum_version = version
        if shown is not None:
            context.load_cert_chain(shown.chain, shown.key)
        self.client.starttls(context=context)
        self.client.ehlo()

    def offers(self) -> bool:
        return "EXTERNAL" in self.client.esmtp_features["auth"].split()

    def external(self, acting_for: str = "") -> tuple[int, str]:
        code, text = self.client.docmd("AUTH EXTERNAL", base64.b64encode(acting_for.encode()).decode() or "=")
        return code, text.decode()


WRONG_MECHANISM = (535, "5.7.8 Error: authentication failed: Invalid authentication mechanism")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_certificate_that_verifies(gatepost: System, people: People, version: ssl.TLSVersion) -> None:
    session = Session(gatepost, people.anna, version=version)
    assert session.offers()
    assert session.external()[0] == 235
    subject = f"by certificate, {version.name}"
    session.client.sendmail("a@example.com", ["b@example.test"], f"Subject: {subject}\r\n\r\nx\r\n")
    assert b"(Authenticated sender: anna@example.com)" in gatepost.arrival(subject.encode())
    gatepost.logged("sasl_method=EXTERNAL, sasl_username=anna@example.com")


def test_acting_for_somebody(gatepost: System, people: People) -> None:
    assert Session(gatepost, people.anna).external("anna@example.com")[0] == 235
    assert Session(gatepost, people.anna).external("ben") == (535, "5.7.8 Error: authentication failed: authorization failure")
    gatepost.logged("authentication failed: authorization failure", "sasl_username=anna@example.com")
    assert Session(gatepost, people.anna).external("a\0b")[0] == 535


def test_the_response_may_come_after_the_challenge(gatepost: System, people: People) -> None:
    session = Session(gatepost, people.anna)
    assert session.client.docmd("AUTH EXTERNAL") == (334, b"")
    assert session.client.docmd("")[0] == 235


def test_a_certificate_that_is_listed(gatepost: System, people: People) -> None:
    """Whoever issued it, under the name that the list has."""
    session = Session(gatepost, people.listed)
    assert session.offers()
    assert session.external("scanner.test")[0] == 535
    assert session.external("scanner")[0] == 235


def test_nobody_else(gatepost: System, people: People) -> None:
    for shown in (None, people.stranger):
        session = Session(gatepost, shown)
        assert not session.offers()
        assert session.external() == WRONG_MECHANISM
        assert session.external("anna@example.com") == WRONG_MECHANISM
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=20) as client:
        client.ehlo()
        assert "EXTERNAL" not in client.esmtp_features["auth"]
        assert client.docmd("AUTH EXTERNAL", "=")[0] == 535


def _sent(gatepost: System, word: str, *command: str) -> None:
    done = subprocess.run(command, input=f"Subject: {word}\n\nx\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"(Authenticated sender: anna@example.com)" in gatepost.arrival(word.encode())


def test_msmtp_curl_and_gnu_sasl(gatepost: System, people: People, certificate: Certificate, tmp_path: Path) -> None:
    chain, key = str(people.anna.chain), str(people.anna.key)
    _sent(gatepost, "external by msmtp", "msmtp", "--host=127.0.0.1", f"--port={gatepost.port}", "--from=a@example.com", "--tls=on",
          "--tls-certcheck=off", f"--tls-key-file={key}", f"--tls-cert-file={chain}", "--auth=external", "--user=anna@example.com",
          "b@example.test")  # fmt: skip
    _sent(gatepost, "external by curl", "curl", "-sS", "--ssl-reqd", "-k", "--cert", chain, "--key", key, "--login-options",
          "AUTH=EXTERNAL", "--user", "anna@example.com:", f"smtp://127.0.0.1:{gatepost.port}", "--mail-from", "a@example.com",
          "--mail-rcpt", "b@example.test", "-T", "-")  # fmt: skip
    command = [
        "gsasl",
        "--smtp",
        f"--connect=127.0.0.1:{gatepost.port}",
        "--mechanism=EXTERNAL",
        "--authorization-id=",
        "--starttls",
    ]
    command += ["--x509-ca-file=", f"--x509-cert-file={chain}", f"--x509-key-file={key}", "--authentication-id=anna@example.com"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert "235 2.7.0" in done.stdout, done.stdout + done.stderr
