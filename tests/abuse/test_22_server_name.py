"""Class 22 for the server name of a handshake (SNI): octets that are no name are the fault of the client, and not one of ours."""

import subprocess

import pytest

from tests.integration.pebble import Pebble
from tests.support import certificate
from tests.support.running import System

_NAMES = ("é.example.test", "xn--a\x80", "a" * 250)


def _handshake(port: int, name: str, *options: str) -> str:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, *options]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False, errors="replace").stdout


def test_a_server_name_that_is_none_at_smtpd() -> None:
    main = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": "{dir}/own.pem",
        "smtpd_tls_loglevel": "1",
        "tls_server_sni_maps": "hash:{dir}/names",
    }
    gatepost = System(main)
    own = certificate.make(gatepost.folder / "made", "mx.example.test")
    pem, table = gatepost.folder / "own.pem", gatepost.folder / "names"
    pem.write_text(own.key.read_text() + own.chain.read_text())
    table.write_text(f"other.example.test {pem}\n")
    for file in (pem, table):
        file.chmod(0o600)
    assert gatepost.command("postmap", "-F", f"hash:{table}").stderr == ""
    with gatepost as system:
        for name in _NAMES:
            _handshake(system.port, name, "-starttls", "smtp")
        assert "CN = mx.example.test" in _handshake(system.port, "mx.example.test", "-starttls", "smtp")
        system.logged("SSL_accept error")
        assert "panic" not in system.log()


@pytest.mark.parametrize("name", _NAMES)
def test_a_server_name_that_is_none_at_the_port_of_a_challenge(name: str) -> None:
    with Pebble(slow=True) as pebble:
        main = {
            "acme_directory_url": pebble.directory,
            "acme_directory_ca_file": str(pebble.ca_file),
            "acme_challenge": "tls-alpn-01",
            "acme_tls_alpn_listen": f"127.0.0.1:{pebble.tls}",
        }
        with System(main) as system:
            while "was issued" not in system.log():
                _handshake(pebble.tls, name)
            assert "panic" not in system.log()
