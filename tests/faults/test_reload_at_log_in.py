"""A reload in the middle of a log-in: the exchange goes on with the worker that began it, and under the configuration that it began
with; whoever comes later has the new one."""

import os
import shutil
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatepost.auth.backends import stored_password
from tests.integration.system import System
from tests.support.running import OWNER, Client, wait_for

PASSWORD = "right-one"


class SlowAuthServer:
    """Dovecot's side of its auth protocol, on `path`: who asks is `asked`, and is answered that it is right once `go_on` is set."""

    def __init__(self, folder: Path) -> None:
        self.path, self.asked, self.go_on = folder / "auth", threading.Event(), threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self.path.chmod(0o666)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            one, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        one.sendall(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nDONE\n")
        for line in one.makefile("rb"):
            words = line.split(b"\t")
            if words[0] == b"AUTH":
                self.asked.set()
                self.go_on.wait(30)
                one.sendall(b"OK\t%b\tuser=anna\n" % words[1])


@pytest.fixture
def server() -> Iterator[SlowAuthServer]:
    with TemporaryDirectory(prefix="auth-") as folder:
        Path(folder).chmod(0o755)
        one = SlowAuthServer(Path(folder))
        yield one
        one.go_on.set()


@pytest.fixture
def gatepost(server: SlowAuthServer) -> Iterator[System]:
    system = System("smtpd_sasl_auth_enable = yes\nsmtpd_auth_refusal_delay = 0\nworker_processes = 1\n")
    users = system.folder / "users"
    users.write_text(f"anna:{stored_password.hashed(PASSWORD.encode())}\n")
    users.chmod(0o640)
    if os.getuid() == 0:
        shutil.chown(users, OWNER)
    system.change(f"smtpd_auth_backends = file:{users} dovecot\nsmtpd_sasl_path = {server.path}\n")
    with system:
        yield system


def _word(text: str) -> str:
    return b64encode(text.encode()).decode()


def _reload(gatepost: System, main: str = "") -> None:
    before = set(gatepost.workers())
    gatepost.change(main)
    gatepost.reload()
    gatepost.logged("reload -- version")
    wait_for(lambda: set(gatepost.workers()) - before, "a new worker")


def _greeted(gatepost: System) -> Client:
    client = gatepost.client()
    client.say("EHLO client.example.com")
    return client


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_after_334(gatepost: System, mechanism: str) -> None:
    """Even to a configuration without log-ins."""
    with _greeted(gatepost) as client:
        assert client.say(f"AUTH {mechanism}")[0] == 334
        _reload(gatepost, "smtpd_sasl_auth_enable = no\n")
        words = [_word(f"\0anna\0{PASSWORD}")] if mechanism == "PLAIN" else [_word("anna"), _word(PASSWORD)]
        assert [client.say(word)[0] for word in words][-1] == 235
        client.envelope("a@example.com", "b@example.test")
        client.say("DATA")
        client.write(b"X-Id: later\r\n\r\n.\r\n")
        assert client.reply()[0] == 250
    gatepost.arrival(b"X-Id: later")
    with _greeted(gatepost) as late:
        assert late.say("AUTH PLAIN")[0] == 503


def test_while_a_back_end_is_asked(gatepost: System, server: SlowAuthServer) -> None:
    with _greeted(gatepost) as client:
        client.write(f"AUTH PLAIN {_word(f'{chr(0)}anna{chr(0)}elsewhere')}\r\n".encode())
        assert server.asked.wait(15)
        _reload(gatepost, "smtpd_auth_backends = file:/nonexistent/users\n")
        server.go_on.set()
        assert client.reply()[0] == 235
        assert client.say("MAIL FROM:<a@example.com>")[0] == 250
    with _greeted(gatepost) as late:
        assert late.say(f"AUTH PLAIN {_word(f'{chr(0)}anna{chr(0)}elsewhere')}")[0] == 454


def test_three_reloads_while_a_back_end_is_asked(gatepost: System, server: SlowAuthServer) -> None:
    """The replaced worker's clients have half a minute to leave by themselves, and who has not is not cut off in mid-answer."""
    with _greeted(gatepost) as client:
        client.write(f"AUTH PLAIN {_word(f'{chr(0)}anna{chr(0)}elsewhere')}\r\n".encode())
        assert server.asked.wait(15)
        for number in range(3):
            gatepost.reload()
            wait_for(lambda wanted=number + 1: gatepost.log().count("reload -- version") == wanted, "the reload")
        server.go_on.set()
        assert client.reply()[0] == 235


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: it makes a PAM service")
def test_while_pam_is_asked(gatepost: System) -> None:
    """The agent of before answers what it was asked, though a new one has taken its place."""
    service = Path(f"/etc/pam.d/gpt-slow-{os.getpid()}")
    started = gatepost.folder / "asked"
    script = gatepost.folder / "ask"
    script.write_text(f"#!/bin/sh\ntouch {started}\nsleep 3\n")
    script.chmod(0o755)
    service.write_text(f"auth required pam_exec.so {script}\naccount required pam_permit.so\n")
    try:
        gatepost.stop()
        gatepost.change(f"smtpd_auth_backends = pam\nsmtpd_sasl_service = {service.name}\n")
        gatepost.start()
        with _greeted(gatepost) as client:
            client.write(f"AUTH PLAIN {_word(f'{chr(0)}daemon{chr(0)}x')}\r\n".encode())
            wait_for(started.exists, "the question")
            _reload(gatepost)
            assert client.reply()[0] == 235
    finally:
        service.unlink()
