"""Class 15: a daemon stopped by garbage on a local socket. Random octets to every socket of ours, and from whom we ask."""

import contextlib
import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ordinary_users import as_user
from tests.support.running import System, wait_for

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - smtpd -o smtpd_recipient_restrictions=check_policy_service,unix:private/policy
intake unix n - n - - smtpd
inside unix - - n - - lmtpd
verdict unix - - n - - spf
"""
_MAIN = {
    "virtual_mailbox_domains": "example.test",
    "virtual_mailbox_base": "{dir}/Maildir",
    "virtual_mailbox_maps": "static:box/",
    "virtual_uid_maps": "static:65534",
    "virtual_gid_maps": "static:65534",
    "smtpd_policy_service_timeout": "5s",
    "smtpd_policy_service_retry_delay": "1s",
}
_OURS = ("gatepost/agent", "private/inside", "private/verdict", "public/flush", "public/intake", "public/showq")
_RANDOM = random.Random(15)
GARBAGE = [
    b"",
    b"\0",
    b"\n",
    b"\0" * 5000,
    b"\xff" * 5000,
    b"{" * 5000,
    b'{"kind": "p", "argument": ' + b"[" * 100_000,
    struct.pack("!I", 0xFFFFFFFF) + b"x" * 100,
    struct.pack("!I", 5) + b"\x81\xa4type",
    struct.pack("!I", 3) + b"\xdc\xff\xff" + struct.pack("!I", 0),
    b"request\0" * 1000,
    b"protocol\0mail_queue_list_protocol\0\0queue_name\0\0\0",
    b"status\0\xff\0\0",
    b"action=" + b"x" * 100_000,
    *(_RANDOM.randbytes(size) for size in (1, 7, 64, 4096, 70_000)),
]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    one = System(_MAIN, _MASTER)
    (one.folder / "Maildir").mkdir()
    os.chmod(one.folder / "Maildir", 0o777)
    with one:
        yield one


def is_well(system: System, pids: list[int]) -> None:
    """Nobody had to be started again, nobody was astonished, and everybody does his work."""
    assert system.pids() == pids
    assert "panic" not in system.log()
    assert as_user(system, "games", "mailq").returncode == 0
    before = system.log().count("status=sent")
    assert system.send(to="b@example.test")
    wait_for(lambda: system.log().count("status=sent") > before, "a delivered message")


def test_every_socket_is_attacked_here(system: System) -> None:
    folders = (system.spool / name for name in ("public", "private", "gatepost"))
    found = {str(path.relative_to(system.spool)) for folder in folders for path in folder.iterdir()}
    assert {name for name in found if (system.spool / name).is_socket()} == set(_OURS)


@pytest.mark.parametrize("name", _OURS)
def test_garbage_to_a_socket_of_ours(system: System, name: str) -> None:
    assert system.send(to="b@example.test")
    pids = system.pids()
    for garbage in GARBAGE:
        for hold in (False, True):
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(ConnectionError, TimeoutError):
                client.settimeout(1)
                client.connect(str(system.spool / name))
                client.sendall(garbage)
                if not hold:
                    client.shutdown(socket.SHUT_WR)
                client.recv(65536)
    wait_for(lambda: set(system.pids()) <= {*pids}, "the end of what was forked")
    is_well(system, pids)


class Nonsense:
    """A server at `path` that answers whatever it is asked with `answer`."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        os.chmod(path, 0o666)
        self._socket.listen(100)
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            connection.sendall(self._answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.mark.parametrize("garbage", GARBAGE[1:], ids=lambda garbage: repr(garbage[:12]))
def test_garbage_from_a_policy_server(system: System, garbage: bytes) -> None:
    pids = system.pids()
    with Nonsense(system.spool / "private" / "policy", garbage), system.client(system.second) as client:
        client.say("EHLO client.example")
        client.say("MAIL FROM:<a@example.com>")
        assert client.say("RCPT TO:<b@example.test>")[0] in (250, 451)  # an action that is text is a reply's text
    is_well(system, pids)


@pytest.mark.parametrize("service", ["showq", "flush"])
def test_garbage_to_a_command_of_ours(system: System, service: str) -> None:
    """A user's command ends with a line that says what is wrong."""
    path = system.spool / "public" / service
    path.rename(path.with_suffix(".kept"))
    try:
        for garbage in GARBAGE:
            with Nonsense(path, garbage):
                done = as_user(system, "games", "postqueue", {"showq": "-p", "flush": "-f"}[service])
            assert done.returncode == os.EX_UNAVAILABLE, (garbage[:50], done)
            assert done.stderr.startswith(("postqueue: fatal: malformed ", "postqueue: fatal: Cannot ", "postqueue: fatal: Queue "))
            assert done.stderr.count("\n") == 1
    finally:
        path.unlink()
        path.with_suffix(".kept").rename(path)


@pytest.mark.parametrize("garbage", [g for g in GARBAGE if g], ids=lambda garbage: repr(garbage[:12]))
def test_garbage_from_the_agent(garbage: bytes) -> None:
    """The mail waits, and arrives when the agent is himself again."""
    one = System({**_MAIN, "queue_run_delay": "1s"}, _MASTER)
    (one.folder / "Maildir").mkdir()
    os.chmod(one.folder / "Maildir", 0o777)
    with one:
        path = one.spool / "gatepost" / "agent"
        path.rename(path.with_suffix(".kept"))
        with Nonsense(path, garbage):
            assert one.send(to="b@example.test")
            one.logged("to=<b@example.test>", "status=deferred")
        path.unlink()
        path.with_suffix(".kept").rename(path)
        one.logged("to=<b@example.test>", "status=sent")
        assert "panic" not in one.log()
