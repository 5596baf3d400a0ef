"""Debian's testssl.sh finds nothing above LOW in the TLS that we have by default; what it finds in the test's own certificate is
listed, with the reason."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.certificate import make
from tests.support.running import System

_MASTER = "127.0.0.1:{port} inet n - n - - smtpd -o smtpd_tls_security_level=may\n"
_MASTER += "127.0.0.1:{second} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"
_QUIET = ("OK", "INFO", "LOW", "WARN", "DEBUG")
EXCEPTIONS = {
    "cert_expirationStatus": "the test's certificate is good for two days",
    "cert_notAfter": "the test's certificate is good for two days",
    "cert_revocation": "the test's authority has no list of revoked certificates",
}


@pytest.mark.parametrize("way", ["STARTTLS", "from the start"])
def test_nothing_above_low(tmp_path: Path, way: str) -> None:
    own, told = make(tmp_path, "mx.test"), tmp_path / "told.json"
    with System({"smtpd_tls_chain_files": f"{own.key}, {own.chain}"}, _MASTER) as system:
        port, options = (system.port, ["--starttls", "smtp"]) if way == "STARTTLS" else (system.second, [])
        command = [
            "testssl",
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "--openssl",
            "/usr/bin/openssl",
            "--add-ca",
            own.authority,
        ]
        command += [*options, "--jsonfile", told, "-p", "-s", "-f", "-S", "-U", "--ip", "127.0.0.1", f"mx.test:{port}"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    found = json.loads(told.read_text())
    assert {"TLS1_2", "TLS1_3", "heartbleed", "secure_renego"} <= {one["id"] for one in found}  # it came to the end
    bad = {one["id"]: one["finding"] for one in found if one["severity"] not in _QUIET}
    assert {name: text for name, text in bad.items() if name not in EXCEPTIONS} == {}
