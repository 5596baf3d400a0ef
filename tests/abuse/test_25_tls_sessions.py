"""TLS sessions across services: a session that began where no certificate was asked for opens no door where one is demanded, and is
resumed by whichever worker hears of it next where it began."""

import os
import pwd
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificate import Certificate, issue, make
from tests.support.running import OWNER, System, open_files, wait_for

_NAME = "mail.example.test"
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{third} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_req_ccert=yes
127.0.0.1:{fourth} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_ask_ccert=yes
"""
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"), _NAME)


@pytest.fixture(scope="module")
def client_certificate(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Certificate:
    return issue(tmp_path_factory.mktemp("client"), "client.example.test", certificate.authority.parent)


@pytest.fixture(scope="module")
def system(certificate: Certificate) -> Iterator[System]:
    main = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
        "smtpd_tls_CAfile": str(certificate.authority),
    }
    with System(main, _MASTER) as one:
        yield one


def _context(version: str, own: Certificate | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[version]
    if own is not None:
        context.load_cert_chain(own.chain, own.key)
    return context


def _visit(context: ssl.SSLContext, port: int, session: ssl.SSLSession | None = None) -> tuple[ssl.SSLSession, bool]:
    """The session after a visit, and whether it was the one given. Raises OSError where there was no welcome."""
    with socket.create_connection(("127.0.0.1", port), 20) as plain:
        with context.wrap_socket(plain, session=session) as tls:
            if tls.recv(3) != b"220":
                raise ConnectionResetError
            tls.sendall(b"QUIT\r\n")
            while tls.recv(4096):
                pass
            assert tls.session is not None
            return tls.session, bool(tls.session_reused)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_without_certificate_does_not_open_a_service_that_demands_one(
    system: System, version: str, client_certificate: Certificate
) -> None:
    context = _context(version)
    session, _ = _visit(context, system.second)
    assert _visit(context, system.second, session)[1]
    for _ in range(8):  # of either worker
        with pytest.raises(OSError):
            _visit(context, system.third, session)
    assert _visit(_context(version, client_certificate), system.third)[0]  # whoever has one comes in


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_stay_where_they_began(system: System, version: str, client_certificate: Certificate) -> None:
    """Each service with itself only, in whatever worker: in twenty visits both were asked."""
    context = _context(version, client_certificate)
    ports = (system.second, system.third, system.fourth)
    for first in ports:
        session, _ = _visit(context, first)
        for second in ports:
            again = [_visit(context, second, session)[1] for _ in range(20 if first == second else 4)]
            assert all(again) if first == second else not any(again)


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_outlive_reloads_and_restarts(certificate: Certificate, version: str) -> None:
    main = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}"}
    with System(main, _MASTER) as one:
        context = _context(version)
        session, _ = _visit(context, one.second)
        before = one.workers()
        one.reload()
        wait_for(lambda: not {*before} & {*one.workers()}, "new workers", 60)
        assert all(_visit(context, one.second, session)[1] for _ in range(8))
        one.stop()
        one.start()
        assert all(_visit(context, one.second, session)[1] for _ in range(8))


def test_what_protects_sessions_is_nobody_elses(system: System) -> None:
    """The file is root's (or whose the mail system is), and no worker has it open."""
    file = system.spool / "gatepost" / "ticket_secrets"
    status = file.stat()
    assert (status.st_uid, status.st_mode & 0o777, status.st_nlink) == (os.getuid(), 0o600, 1)
    for pid in system.workers():
        assert str(file) not in open_files(pid)
    if os.getuid() == 0:
        user = pwd.getpwnam(OWNER)
        as_owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        assert subprocess.run(["cat", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_owner).returncode != 0


@pytest.mark.parametrize("version", VERSIONS)
def test_whoever_is_trusted_no_more_does_not_come_back_by_a_session(
    certificate: Certificate, client_certificate: Certificate, version: str, tmp_path: Path
) -> None:
    with System({}, _MASTER) as one:
        authorities = one.folder / "authorities.pem"
        shutil.copy(certificate.authority, authorities)
        one.configure(
            {
                "smtpd_tls_security_level": "may",
                "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
                "smtpd_tls_CAfile": str(authorities),
            }
        )
        one.stop()
        one.start()
        context = _context(version, client_certificate)
        session, _ = _visit(context, one.third)
        assert _visit(context, one.third, session)[1]
        authorities.write_bytes(make(tmp_path, "another.test").authority.read_bytes())
        before = one.workers()
        one.reload()
        wait_for(lambda: not {*before} & {*one.workers()}, "new workers", 60)
        for _ in range(8):
            with pytest.raises(OSError):
                _visit(context, one.third, session)
