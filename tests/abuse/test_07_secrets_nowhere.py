"""Class 7 at log-in: whatever a client says by which mechanism, and however that ends, no secret is written down: not in the mail
log, with -v, debug_peer_list and TLS logged in full, nor in the JSON log, a notice to the postmaster, the queue or the output; and
none stands among a process's arguments or in its environment, nor would it in a core file. The same for our own passwords."""

import base64
import contextlib
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gatepost.auth.backends import stored_password
from tests.abuse.test_07_log_in import AuthServer
from tests.integration.system import System
from tests.integration.test_passwords_of_root import written
from tests.support import certificate
from tests.support.running import OWNER, wait_for
from tests.support.sink import Sink

MARK: Final = "Geheimnis"
"""Is in every secret."""

RIGHT, APPLICATION, OF_SERVER = f"{MARK}-right", f"{MARK}-application", f"{MARK}-ours"

_MAIN = """\
smtpd_sasl_auth_enable = yes
smtpd_auth_refusal_delay = 0
smtpd_auth_user_guess_limit = 0
smtpd_auth_client_guess_limit = 0
smtpd_auth_timeout = 1s
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
helper_failure_limit = 0
smtpd_tls_security_level = may
smtpd_tls_loglevel = 4
smtp_tls_loglevel = 4
debug_peer_list = 127.0.0.1
debug_peer_level = 9
notify_classes = bounce, 2bounce, data, delay, policy, protocol, resource, software
error_notice_recipient = postmaster@example.test
json_log_file = {dir}/mail.json
smtp_sasl_auth_enable = yes
smtp_sasl_security_options =
"""
_MASTER = "127.0.0.1:{port} inet n - n - - smtpd -v -v\nsmtp unix - - n - - smtp -v\n"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("latin-1")).decode()


def forms(secret: str) -> set[str]:
    """How `secret` may stand in a text, by itself or within more: as it is, in hexadecimal digits, and in base64, where it
    begins with any of three octets."""
    octets = secret.encode()
    shifted = {base64.b64encode(bytes(shift) + octets)[4 if shift else 0 : -4].decode() for shift in range(3)}
    return {secret, octets.hex(), octets.hex().upper(), *shifted}


def _exchanges() -> Iterator[tuple[str | bytes, ...]]:
    """What clients say, a session each: all of it has MARK in it."""
    for user, password in (
        *(("anna", RIGHT), ("anna", APPLICATION), ("anna", f"{MARK}-wrong"), ("nobody", f"{MARK}-nobody")),
        *(("hangs", f"{MARK}-slow"), ("dies", f"{MARK}-broken"), ("anna", f"{MARK}\0nul"), ("anna", MARK * 900), ("", MARK)),
    ):
        plain = _base64(f"\0{user}\0{password}")
        yield (f"AUTH PLAIN {plain}",)
        yield "AUTH PLAIN", plain
        yield "AUTH LOGIN", _base64(user), _base64(password)
        yield f"AUTH LOGIN {_base64(user)}", _base64(password)
    bearer = _base64(f"user=anna\1auth=Bearer {MARK}-token\1\1")
    for name in ("XOAUTH2", "OAUTHBEARER", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL", "NTLM", "ANONYMOUS"):
        yield f"AUTH {name} {bearer}", "*"
        yield f"AUTH {name}", bearer, bearer, "*"
    plain = _base64(f"\0anna\0{MARK}-odd")
    yield (
        f"AUTH PLAIN {plain} {plain}",
        f"AUTH  PLAIN  {plain}",
        f"auth plain {plain}",
        f"AUTH PLAIN={plain}",
        f"AUTH PLAIN\t{plain}",
    )
    yield "AUTH PLAIN", f"{MARK}-in-clear", "AUTH LOGIN", "anna", f"{MARK}-in-clear"
    yield "AUTH LOGIN", "*", plain, _base64(MARK), f"{MARK}-after-all"
    yield "AUTH PLAIN", plain[:-1] + "!", "AUTH PLAIN", plain + "\xff", b"\xff" + plain.encode()
    yield "AUTH PLAIN", "A" * 20_000 + plain
    yield "EHLO x", f"AUTH PLAIN {plain[:-8]}"  # and away
    yield "MAIL FROM:<a@example.com>", f"AUTH PLAIN {plain}", "NOOP"


@pytest.fixture(scope="module")
def gatepost() -> Iterator[System]:
    system = System(_MAIN, _MASTER)
    made = certificate.make(system.folder / "tls", "mail.example.test")
    users = system.folder / "users"
    token = stored_password.hashed_token(APPLICATION)
    users.write_text(f"anna:{stored_password.hashed(RIGHT.encode())}\nanna:{token}:phone\n")
    users.chmod(0o640)
    if os.getuid() == 0:
        shutil.chown(users, OWNER)
    server = AuthServer()
    with Sink(keywords=(b"AUTH PLAIN LOGIN",), answers={"AUTH": b"535 5.7.8 no\r\n"}) as sink, contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        passwords = written(system, "texthash", sink.port, OF_SERVER)
        system.change(
            f"smtpd_auth_backends = file:{users} ldap:nowhere dovecot\nsmtpd_sasl_path = {server.path}\n"
            f"smtpd_tls_chain_files = {made.key}, {made.chain}\n"
            f"transport_maps = inline:{{away.test=smtp:[127.0.0.1]:{sink.port}}}\nsmtp_sasl_password_maps = {passwords}\n"
        )
        with system:
            yield system


def _say(gatepost: System, lines: tuple[str | bytes, ...], *, secure: bool) -> None:
    with gatepost.client() as client:
        client.say("EHLO client.example.com")
        if secure:
            assert client.say("STARTTLS")[0] == 220
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.socket = context.wrap_socket(client.socket)
            client._file = client.socket.makefile("rb")
            client.say("EHLO client.example.com")
        for line in lines:
            with contextlib.suppress(ConnectionError):
                client.say(line.encode("latin-1") if isinstance(line, str) else line)
        if lines[-1] != "QUIT" and not secure:
            client.socket.shutdown(socket.SHUT_RDWR)


def _written(gatepost: System) -> Iterator[tuple[str, bytes]]:
    """All that the system has written, but for what is there to be secret."""
    known = {gatepost.folder / "tls", gatepost.conf, gatepost.folder / "users"}
    for path in gatepost.folder.rglob("*"):
        if path.is_file() and not known & {path, *path.parents} and "sasl" not in path.name:
            yield str(path.relative_to(gatepost.folder)), path.read_bytes()


def _visible(gatepost: System) -> Iterator[tuple[str, bytes]]:
    for pid in gatepost.pids():
        for name in ("cmdline", "environ", "comm"):
            with contextlib.suppress(OSError):
                yield f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes()


def test_no_secret_is_written_down(gatepost: System) -> None:
    for number, lines in enumerate(_exchanges()):
        _say(gatepost, lines, secure=number % 2 == 1)
    _say(gatepost, (f"AUTH PLAIN {_base64(f'{chr(0)}anna{chr(0)}{RIGHT}')}", "MAIL FROM:<a@example.com>", "RCPT TO:<b@away.test>",
                    "DATA", "Subject: x\r\n\r\nx\r\n.", "QUIT"), secure=True)  # fmt: skip
    gatepost.logged("SASL authentication failed; server 127.0.0.1")
    gatepost.arrival(b"errors from")
    wait_for(lambda: "authentication failed" in (gatepost.folder / "mail.json").read_text(), "the JSON log")
    key = (gatepost.folder / "tls" / "key.pem").read_text().splitlines()[1]
    secrets = {form.encode() for secret in (MARK, OF_SERVER) for form in forms(secret)} | {key.encode()}
    found = {
        (name, octets[max(at - 200, 0) : at + 80])
        for name, octets in (*_written(gatepost), *_visible(gatepost))
        for secret in secrets
        if (at := octets.find(secret)) >= 0
    }
    assert not found


def test_what_commands_tell(gatepost: System) -> None:
    for command in (("check",), ("postconf", "-n"), ("postconf", "-M"), ("audit",), ("postqueue", "-j")):
        told = gatepost.command(*command)
        assert not [form for form in forms(MARK) if form in told.stdout + told.stderr], command


def test_no_process_leaves_a_core_file(gatepost: System) -> None:
    """And where root has started them, nobody of their own user looks into their memory (proc(5), prctl(2) PR_SET_DUMPABLE)."""
    for pid in gatepost.pids():
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert next(line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")) == ["0", "0"]
    if os.getuid() == 0:
        assert {os.stat(f"/proc/{pid}/environ").st_uid for pid in gatepost.pids()} == {0}
