"""Class 9: what a parser makes of the nastiest shapes, in a running Gatepost. Each is taken or refused in bounded time, the worker
lives, and meanwhile it answers others.

How each parser grows is held to a line by tests/unit/test_growth.py; that nothing keeps the loop to itself by
tests/unit/receive/test_turns.py.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.mail.envelope import Recipient
from gatepost.receive import maildrop
from tests.support.running import OWNER, Client, System, wait_for
from tests.support.sink import Sink

_SIZE = 3_000_000
_PATIENCE = 5.0
"""Seconds that another client may have to wait for an answer, on a busy machine; without turns it was tens of seconds."""
_MEGABYTE = 1 << 20

_TABLES = {"header_checks": "/^Subject: spam/ REJECT\n", "body_checks": "/^never this$/ REJECT\n"}
_BOUNDARIES = b"".join(b"Content-Type: multipart/x; boundary=b%d\r\n" % number for number in range(100)) + b"\r\n"

CONTENTS = {
    "blanks in an address": b"To:" + b" " * 90_000 + b"x\r\n\r\n",
    "comments without end": b"To: " + b"(" * 90_000 + b"\r\n\r\n",
    "headers": b"a:b\r\n" * 150_000 + b"\r\n",
    "headers of names that nobody knows": b"".join(b"X-%d: b\r\n" % number for number in range(60_000)) + b"\r\n",
    "a name without end": b"a" * _SIZE + b": b\r\n\r\n",
    "a header without end": b"Subject: " + b"a" * _SIZE + b"\r\n\r\n",
    "continuations": b"a: b\r\n" + b" c\r\n" * 200_000 + b"\r\n",
    "addresses": (b"To: " + b"a@b.cc (x), " * 8_000 + b"\r\n") * 5 + b"\r\n",
    "lines of one octet": b"\r\n" + b"a\r\n" * (_SIZE // 3),
    "bare line feeds": b"\r\n" + b"a\n" * (_SIZE // 2) + b"\r\n",
    "parameters": b"Content-Type: multipart/x" + b"; a=b" * 18_000 + b"\r\n\r\n",
    "pieces of a boundary": b"Content-Type: multipart/x" + b"; boundary*9=b" * 6_000 + b"\r\n\r\n",
    "levels": _BOUNDARIES + b"--b0\r\n--b99\r\n" * 40_000,
    "dashes": _BOUNDARIES + b"--x\r\n" * (_SIZE // 5),
    "parts": b"Content-Type: multipart/x; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 200_000,
    "prefixes": b"".join(b"Content-Type: multipart/x; boundary=%b\r\n" % (b"b" * n) for n in range(1, 99))
    + b"\r\n" + b"--bbb\r\n" * 99_999,
    "multiparts in multiparts": b"".join(b"Content-Type: multipart/x; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(10_000)),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 50_000,
    "8 bit": b"Content-Transfer-Encoding: 8bit\r\n" + b" x\r\n" * 100_000 + b"\r\n" + b"\xff" * _SIZE + b"\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    main = {
        "worker_processes": "1",
        "message_size_limit": "20000000",
        "smtpd_junk_command_limit": "1000000",
        **{name: f"regexp:{{dir}}/{name}" for name in _TABLES},
    }
    one = System(main, relay=sink.port)
    for name, text in _TABLES.items():
        (one.folder / name).write_text(text)
    with one:
        yield one


class Bystander:
    """Somebody who talks to the same worker meanwhile. `worst`: seconds that an answer took at most; `answers`: how many came."""

    def __init__(self, system: System) -> None:
        self.worst = 0.0
        self.answers = 0
        self._client = system.client()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self) -> "Bystander":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()

    def _talk(self) -> None:
        while not self._over.wait(0.005):
            begun = time.monotonic()
            if self._client.say("NOOP")[0] != 250:
                self.worst = float("inf")
                return
            self.worst = max(self.worst, time.monotonic() - begun)
            self.answers += 1


def _sent(client: Client, content: bytes) -> int:
    client.socket.settimeout(120)
    client.envelope()
    assert client.say("DATA")[0] == 354
    client.write(content + b".\r\n")
    return client.reply()[0]


@pytest.mark.parametrize("name", CONTENTS)
def test_a_nasty_content_holds_up_nobody(system: System, name: str) -> None:
    workers = system.workers()
    with Bystander(system) as other, system.client() as client:
        assert _sent(client, CONTENTS[name]) in (250, 550, 552)
        wait_for(lambda: other.answers > 3, "answers for others")
    assert other.worst < _PATIENCE
    assert system.workers() == workers


def test_nested_too_deeply_is_refused(system: System) -> None:
    """What is not followed could hide what is to be checked."""
    with system.client() as client:
        assert _sent(client, CONTENTS["multiparts in multiparts"]) == 550
    system.logged("mime-error MIME nesting exceeds safety limit")


def test_names_of_headers_do_not_stay_in_memory(system: System) -> None:
    """It was 500 MB after three seconds."""
    before = system.resident()
    for round_ in range(10):
        with system.client() as client:
            names = b"".join(b"X%d-%d%b: b\r\n" % (round_, number, b"x" * 900) for number in range(900))
            assert _sent(client, names + b"\r\n") == 250
    assert system.resident() - before < 60 * _MEGABYTE


def test_recipients_of_a_session_take_what_they_are_long(system: System) -> None:
    count, length = 1000, 1900
    with system.client() as client:
        client.envelope("a@example.com", "first@example.net")
        before = system.resident()
        for number in range(count - 1):
            assert client.say(f"RCPT TO:<{number}{'x' * length}@example.net>")[0] == 250
        assert system.resident() - before < 3 * count * length + 2 * _MEGABYTE


def test_a_maildrop_file_of_many_recipients_holds_up_nobody(system: System) -> None:
    recipients = tuple(Recipient(f"user {number}@example.net") for number in range(20_000))
    submission = maildrop.Submission("a@example.com", recipients)
    with Bystander(system) as other:
        path = maildrop.write(Path(system.spool) / "maildrop", submission, [b"Subject: many\r\n\r\nx\r\n"])
        if os.getuid() == 0:
            shutil.chown(path, OWNER)
        system.logged("nrcpt=20000", seconds=60)
        wait_for(lambda: other.answers > 3, "answers for others")
    assert other.worst < _PATIENCE
