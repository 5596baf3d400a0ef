"""tls_config_file and tls_config_name: what OpenSSL does by them, in processes of their own, for a whole process works by them."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURATION = """\
openssl_conf = usual
mail = of_mail
[usual]
ssl_conf = usual_ssl
[usual_ssl]
system_default = usual_limits
[usual_limits]
Ciphersuites = TLS_AES_128_GCM_SHA256
[of_mail]
ssl_conf = mail_ssl
[mail_ssl]
system_default = mail_limits
[mail_limits]
Ciphersuites = TLS_CHACHA20_POLY1305_SHA256
"""
PROGRAM = """\
import sys
from gatepost.net import openssl_configuration as configuration
from gatepost.net.client_tls import ContextSpec, client_context
from gatepost.net.tls_parameters import TlsFailure
print(configuration.configure(configuration.OpensslSettings(*sys.argv[1:])))
try:
    context = client_context(ContextSpec(protocols="", ciphers="HIGH"))
    print(*(one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.3"))
except TlsFailure as failure:
    print(failure)
"""


def told(file: str | Path, name: str = "") -> list[str]:
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(file), name], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("openssl") / "openssl.cnf"
    made.write_text(CONFIGURATION)
    return made


def test_a_file_and_its_sections(file: Path) -> None:
    assert told(file) == ["", "TLS_AES_128_GCM_SHA256"]
    assert told(file, "mail") == ["", "TLS_CHACHA20_POLY1305_SHA256"]
    assert told(file, "another") == told(file)


def test_no_file_at_all() -> None:
    for word in ("none", "default"):
        first, ciphers = told(word)
        assert not first and len(ciphers.split()) >= 3


def test_without_what_was_asked_for_there_is_no_tls(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("[[[\n= =\n")
    for name, words in (("missing", "cannot read"), ("bad", "OpenSSL does not understand")):
        first, failure = told(tmp_path / name)
        assert first == failure
        assert words in first and str(tmp_path / name) in first
    assert "no absolute path" in told("openssl.cnf")[1]
