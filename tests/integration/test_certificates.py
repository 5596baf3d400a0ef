"""Certificates of a running system: RSA and ECDSA side by side, renewed ones without a reload, and sessions that are resumed."""

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.support import certificate
from tests.support.running import System, wait_for

_MASTER = "127.0.0.1:{port} inet n - n - - smtpd -o smtpd_tls_security_level=may\n"
_MASTER += "127.0.0.1:{second} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"
_VISITS = 100


def _context(version: str = "TLSv1_3", ciphers: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def _visit(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> tuple[bytes, ssl.SSLSession | None, bool]:
    """The server's certificate, the session to come back with, and whether it was the one given."""
    with socket.create_connection(("127.0.0.1", port), 30) as plain:
        with context.wrap_socket(plain, session=session) as tls:
            assert tls.recv(4096).startswith(b"220 ")
            tls.sendall(b"QUIT\r\n")
            while tls.recv(4096):
                pass
            return tls.getpeercert(binary_form=True) or b"", tls.session, bool(tls.session_reused)


def _der(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def test_renewed_certificates_are_taken_up_without_a_reload(tmp_path: Path) -> None:
    """Half of a renewal changes nothing but the log; once both are there, new workers show them, and nobody is turned away."""
    first, second = certificate.make(tmp_path / "first", "mx.test"), certificate.make(tmp_path / "second", "mx.test")
    main = {"smtpd_tls_cert_file": "{dir}/chain.pem", "smtpd_tls_key_file": "{dir}/key.pem"}
    system = System(main, _MASTER)
    for file in ("chain", "key"):
        shutil.copy(getattr(first, file), system.folder / f"{file}.pem")
    with system:
        assert _visit(system.second, _context())[0] == _der(first.chain)
        shutil.copy(second.chain, system.folder / "chain.pem")
        system.logged("warning", "key values mismatch", "the certificates from before are still used")
        assert _visit(system.second, _context())[0] == _der(first.chain)
        shutil.copy(second.key, system.folder / "key.pem")
        system.logged("certificates were renewed: new workers take them up")
        wait_for(lambda: _visit(system.second, _context())[0] == _der(second.chain), "the new certificate", 60)


def test_rsa_and_ecdsa_side_by_side(tmp_path: Path) -> None:
    ecdsa = certificate.make(tmp_path / "ecdsa", "mx.test")
    rsa = tmp_path / "rsa.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mx.test"]
    subprocess.run([*command, "-keyout", tmp_path / "key.pem", "-out", rsa], check=True, capture_output=True)
    pairs = {"smtpd_tls_cert_file": str(rsa), "smtpd_tls_key_file": str(tmp_path / "key.pem")}
    pairs |= {"smtpd_tls_eccert_file": str(ecdsa.chain), "smtpd_tls_eckey_file": str(ecdsa.key)}
    for main in (pairs, {"smtpd_tls_chain_files": f"{tmp_path}/key.pem {rsa} {ecdsa.key} {ecdsa.chain}"}):
        with System(main, _MASTER) as system:
            assert _visit(system.second, _context("TLSv1_2", "ECDHE+aRSA"))[0] == _der(rsa)
            assert _visit(system.second, _context("TLSv1_2", "ECDHE+aECDSA"))[0] == _der(ecdsa.chain)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_whoever_resumes_is_resumed(tmp_path: Path, version: str) -> None:
    """At least 99 of 100 visits, with several workers and a reload in between; each with the session of the one before."""
    own = certificate.make(tmp_path, "mx.test")
    main = {"smtpd_tls_chain_files": f"{own.key}, {own.chain}", "worker_processes": "4"}
    with System(main, _MASTER) as system:
        context = _context(version)
        _, session, _ = _visit(system.second, context)
        resumed = 0
        for visit in range(_VISITS):
            if visit == _VISITS // 2:
                before = system.workers()
                system.reload()
                wait_for(lambda: not {*before} & {*system.workers()}, "new workers", 60)
            _, session, same = _visit(system.second, context, session)
            resumed += same
        assert resumed >= 0.99 * _VISITS


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_openssl_and_gnutls_talk_to_us(tmp_path: Path, version: str) -> None:
    """The session of one openssl(1) is good for the next; gnutls-cli trusts the authority, and verifies the name."""
    own = certificate.make(tmp_path, "mx.test")
    with System({"smtpd_tls_chain_files": f"{own.key}, {own.chain}"}, _MASTER) as system:
        command = ["openssl", "s_client", f"-{version}", "-connect", f"127.0.0.1:{system.port}", "-starttls", "smtp", "-ign_eof"]
        command += ["-CAfile", str(own.authority), "-verify_hostname", "mx.test", "-verify_return_error"]
        for session, wanted in (("-sess_out", "New, TLSv1"), ("-sess_in", "Reused, TLSv1")):
            asked = [*command, session, str(tmp_path / "session")]
            said = subprocess.run(asked, input="QUIT\r\n", capture_output=True, text=True, timeout=60, check=True).stdout
            assert wanted in said and "Verify return code: 0 (ok)" in said
        priority = f"NORMAL:-VERS-ALL:+VERS-{version.upper().replace('_', '.')}"
        gnutls = ["gnutls-cli", "--starttls-proto=smtp", f"--port={system.port}", f"--x509cafile={own.authority}"]
        gnutls += ["--verify-hostname=mx.test", f"--priority={priority}", "127.0.0.1"]
        said = subprocess.run(gnutls, input="QUIT\r\n", capture_output=True, text=True, timeout=60, check=False).stdout
        assert "The certificate is trusted" in said and "Handshake was completed" in said


def test_swaks_sends_over_tls(tmp_path: Path) -> None:
    own = certificate.make(tmp_path, "mx.test")
    main = {"smtpd_tls_chain_files": f"{own.key}, {own.chain}", "smtpd_tls_received_header": "yes", "relayhost": "[127.0.0.1]:1"}
    with System(main, _MASTER) as system:
        for port, how in ((system.port, "--tls"), (system.second, "--tlsc")):
            command = [
                "swaks",
                "--server",
                "127.0.0.1",
                "--port",
                str(port),
                how,
                "--from",
                "a@example.test",
                "--to",
                "b@example.net",
            ]
            sent = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            assert "TLS started with cipher TLSv1.3" in sent.stdout and "250 2.0.0 Ok: queued as" in sent.stdout
