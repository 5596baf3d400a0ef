"""posttls-finger beside Postfix's, looking at the same server: the same lines."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.certificate import Certificate, make
from tests.support.running import System, environment

_MASTER = "127.0.0.1:{port} inet n - n - - smtpd -o smtpd_tls_security_level=may\n"
_MASTER += "127.0.0.1:{second} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n127.0.0.1:{third} inet n - n - - smtpd\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"), "mx.test")


@pytest.fixture(scope="module")
def system(certificate: Certificate) -> Iterator[System]:
    with System({"smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}"}, _MASTER) as one:
        yield one


def finger(system: System, *arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "gatepost.cli", "posttls-finger", *arguments]
    set_by = {**environment(), "MAIL_CONFIG": str(system.conf)}
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=set_by)
    assert shown.stderr == ""
    return shown.returncode, shown.stdout.splitlines()


def postfix(*arguments: str) -> list[str]:
    found = {"PATH": os.environ["PATH"] + ":/usr/sbin"}
    shown = subprocess.run(["posttls-finger", *arguments], capture_output=True, text=True, timeout=60, check=True, env=found)
    return (shown.stdout + shown.stderr).splitlines()


def fingerprints(certificate: Certificate) -> tuple[str, str]:
    """Those of the certificate and of its public key."""
    parsed = x509.load_pem_x509_certificate(certificate.chain.read_bytes())
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return parsed.fingerprint(SHA256()).hex(":").upper(), hashlib.sha256(key).digest().hex(":").upper()


def alike(lines: list[str]) -> list[str]:
    return [line for line in lines if line and "> EHLO " not in line]


@pytest.mark.parametrize(
    "options",
    ["-l may", "-l encrypt -p TLSv1.2", "-l secure -F {authority} PORT mx.test", "-l secure -c -F {authority} PORT .test mx.test",
     "-l encrypt -w -a any -t 1m WRAPPED", "-l fingerprint -d sha256 PORT CERTIFICATE", "-l fingerprint -d sha256 PORT KEY"],
)  # fmt: skip
def test_the_same_lines(system: System, certificate: Certificate, options: str) -> None:
    text = options if options.isupper() or "PORT" in options or "WRAPPED" in options else f"{options} PORT"
    text = text.replace("PORT", f"[127.0.0.1]:{system.port}").replace("WRAPPED", f"[127.0.0.1]:{system.second}")
    own, key = fingerprints(certificate)
    text = text.replace("CERTIFICATE", own).replace("KEY", key)
    arguments = text.replace("{authority}", str(certificate.authority)).split()
    status, lines = finger(system, *arguments)
    assert status == 0
    assert alike(lines) == alike(postfix(*arguments))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-l verify PORT", "the certificate is not one that level verify accepts"),
        ("-l secure -F {authority} PORT other.test", "the certificate is not one that level secure accepts"),
        ("-l fingerprint PORT AA:BB", "the certificate is not one that level fingerprint accepts"),
        ("-l may PLAIN", "STARTTLS is not offered"),
        ("-l may [127.0.0.1]:1", "Connection refused"),
    ],
)
def test_what_is_not_enough_has_a_status_of_its_own(system: System, certificate: Certificate, options: str, told: str) -> None:
    text = options.replace("PORT", f"[127.0.0.1]:{system.port}").replace("PLAIN", f"[127.0.0.1]:{system.third}")
    status, lines = finger(system, *text.replace("{authority}", str(certificate.authority)).split())
    assert status == 1 and told in lines[-1]
