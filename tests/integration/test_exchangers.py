"""Exchangers with odd names: which mail is delivered, deferred or returned, and what the log warns of, are as with Postfix."""

import contextlib
import os
import random
import re
import shutil
import smtplib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.golden.surroundings import stub
from tests.integration.postfix import Postfix
from tests.support.running import System, wait_for
from tests.support.sink import Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

CASES = {
    "an address": ("MX 10 127.0.0.1",),
    "an address, and a name": ("MX 10 127.0.0.1", "MX 20 mx.good.example"),
    "an address that does not answer, and a name": ("MX 10 127.0.0.66", "MX 20 mx.good.example"),
    "a name, and an address": ("MX 10 mx.good.example", "MX 20 127.0.0.66"),
    "an address of the other family": ("MX 10 ::1",),
    "an address of the other family, and a name": ("MX 10 ::1", "MX 20 mx.good.example"),
    "an address in brackets": ("MX 10 [127.0.0.1]",),
    "a short address": ("MX 10 127.1",),
    "a number": ("MX 10 2130706433",),
    "a hexadecimal address": ("MX 10 0x7f.0.0.1",),
    "an address with zeros": ("MX 10 127.000.000.001",),
    "five numbers": ("MX 10 1.2.3.4.5",),
    "an address as address of the domain": ("A 127.0.0.1",),
    "a leading hyphen": ("MX 10 -bad.example",),
    "a leading hyphen, and a name": ("MX 10 -bad.example", "MX 20 mx.good.example"),
    "a blank": ("MX 10 a\u00a0b.example",),
    "an underscore": ("MX 10 under_score.good.example",),
    "a star": ("MX 10 *.good.example",),
    "other characters": ("MX 10 a!b.example",),
    "other characters, and a name": ("MX 10 a!b.example", "MX 20 mx.good.example"),
    "null": ("MX 0 .",),
    "null, and a name": ("MX 0 .", "MX 10 mx.good.example"),
    "a name without address": ("MX 10 nothing.good.example",),
    "an alias": ("MX 10 alias.good.example",),
}
NEXT_HOPS = {
    "an address without brackets": "127.0.0.1",
    "a hexadecimal address without brackets": "0x7f.0.0.1",
    "an address in brackets as next hop": "[127.0.0.1]",
}
"""Next hops of transport_maps; worse ones are fatal to Postfix."""
_COMMON = """\
mx.good.example A 127.0.0.1
under_score.good.example A 127.0.0.1
*.good.example A 127.0.0.1
nothing.good.example TXT x
alias.good.example CNAME mx.good.example
"""


NAMES = [*CASES, *NEXT_HOPS]


def _domain(name: str) -> str:
    return f"case-{NAMES.index(name)}.example"


def _zone() -> str:
    return _COMMON + "".join(f"{_domain(name)} {record}\n" for name, records in CASES.items() for record in records)


class Way:
    """One mail system that has met all cases."""

    def __init__(self, log: Callable[[], str]) -> None:
        self._log = log

    def outcome(self, name: str) -> str:
        """How the mail of a case ended."""
        line = wait_for(lambda: self._line(f"to=<b@{_domain(name)}>"), lambda: f"an outcome of {name}\n{self._log()[-3000:]}", 40)
        relay, dsn, status = re.findall(r"relay=(.*?), .*(dsn=.*?), (status=\w+ .*)", line)[0]
        return re.sub(r":\d+", ":PORT", f"{relay} {dsn} {status}")

    def warnings(self, name: str) -> list[str]:
        """What the log warned of in a case."""
        self.outcome(name)
        domain = _domain(name)
        found = (line.split("]: ", 1)[1] for line in self._log().splitlines() if "/smtp[" in line)
        return list(dict.fromkeys(text for text in found if text.startswith("warning") and f"for {domain}" in text))

    def _line(self, text: str) -> str:
        return next((line for line in self._log().splitlines() if text in line and "status=" in line), "")


@pytest.fixture(scope="module")
def prefix() -> Iterator[tuple[str, ...]]:
    """A command that gives another one a name server of its own."""
    address = f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}"
    zone = stub("dns_stub").Zone(_zone())
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                question, client = server.recvfrom(4096)
                if answer := zone.answer(question):
                    server.sendto(answer, client)

    threading.Thread(target=serve, daemon=True).start()
    folder = Path(tempfile.mkdtemp(prefix="exchangers-"))
    folder.chmod(0o755)
    (folder / "resolv.conf").write_text(f"nameserver {address}\n")
    mount = f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"'
    yield ("unshare", "--mount", "sh", "-c", mount, "sh")
    server.close()
    shutil.rmtree(folder)


def _main(sink: Sink) -> dict[str, str]:
    hops = ", ".join(f"{{ {_domain(name)} = smtp:{hop} }}" for name, hop in NEXT_HOPS.items())
    transports = f"inline:{{ {hops} }}"
    return {"smtp_tcp_port": str(sink.port), "inet_protocols": "ipv4", "virtual_mailbox_domains": "", "transport_maps": transports}


def _send_all(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        for name in NAMES:
            client.sendmail("a@sender.example", [f"b@{_domain(name)}"], "Subject: x\r\n\r\nbody\r\n")


@pytest.fixture(scope="module")
def theirs(prefix: tuple[str, ...]) -> Iterator[Way]:
    """Postfix."""
    with Sink() as sink:
        postfix = Postfix("".join(f"{name} = {value}\n" for name, value in _main(sink).items()), prefix=prefix)
        try:
            _send_all(postfix.port)
            yield Way(lambda: postfix.log)
        finally:
            postfix.clean()


@pytest.fixture(scope="module")
def ours(prefix: tuple[str, ...]) -> Iterator[Way]:
    """Gatepost."""
    with Sink() as sink, System(_main(sink), prefix=prefix) as system:
        _send_all(system.port)
        yield Way(system.log)


@pytest.mark.parametrize("name", NAMES)
def test_the_mail_ends_as_with_postfix(name: str, ours: Way, theirs: Way) -> None:
    assert ours.outcome(name) == theirs.outcome(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_log_warns_as_postfix_does(name: str, ours: Way, theirs: Way) -> None:
    assert ours.warnings(name) == theirs.warnings(name)
