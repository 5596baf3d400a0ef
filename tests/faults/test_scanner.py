"""The scanner process of a running system: what it cannot do, and what becomes of messages that have it crash, hang or grow."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatepost.filter.facts import Facts, Request
from gatepost.filter.port import Session
from gatepost.filter.scanning import ScanFailed
from gatepost.mail.content import MemoryContent
from gatepost.service.scanner.client import ScannerClient
from tests.support.running import System, environment, wait_for

RULES = "header LOUD Subject =~ /LOUD/\ndescribe LOUD Loud subject\nscore LOUD 2.5\nbody QUIET /whisper/\n"
MAIN = {
    "worker_processes": "1",
    "filter_before_queue": "yes",
    "filter_rules_directories": "{dir}/rules",
    "filter_scan_time_limit": "1s",
    "filter_scan_memory_limit": "400000000",
}

# A scanner that does what a message says, as one would that its sender has taken over.
_OBEDIENT = """\
import ctypes, errno, fcntl, os, socket, sys
from gatepost.filter import scan
from gatepost.filter.facts import Facts

def outcome(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def failed(result):
    if result:
        raise OSError(ctypes.get_errno(), "")

KEPT = []  # a socket that is forgotten is closed

def listener():
    for descriptor in range(3, 256):
        try:
            KEPT.append(socket.socket(fileno=descriptor))
        except OSError:
            continue
        if KEPT[-1].getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return KEPT[-1]

ATTEMPTS = {
    "read": lambda: open("/etc/passwd").close(),
    "write": lambda: open("/tmp/gatepost-was-here", "w").close(),
    "list": lambda: os.listdir("/"),
    "remove": lambda: os.unlink("/tmp/gatepost-was-here"),
    "internet": lambda: socket.socket(socket.AF_INET),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "pair": socket.socketpair,
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "user": lambda: os.setuid(1),
    "timer": lambda: failed(ctypes.CDLL(None, use_errno=True).timer_delete(0)),
    "owner": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid()),
    "signal": lambda: fcntl.fcntl(0, fcntl.F_SETSIG, 9),
    "shutdown": lambda: listener().shutdown(socket.SHUT_RDWR),
    "option": lambda: listener().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
}

def obey(self, octets, request):
    if b"X-Crash" in octets:
        ctypes.string_at(0)
    while b"X-Hang" in octets:
        pass
    if b"X-Grow" in octets:
        grown = [bytearray(1 << 26) for _ in range(64)]
    if b"X-Raise" in octets:
        raise RuntimeError("a fault of ours")
    if b"X-Try" in octets:
        return Facts(faults=tuple(f"{name} {outcome(attempt)}" for name, attempt in ATTEMPTS.items()))
    return scanned(self, octets, request)

scanned, scan.Scanner.scan = scan.Scanner.scan, obey
from gatepost.cli import main
sys.exit(main())
"""


class Scanning:
    """The scanners of a system, asked by the test."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._client_of = system.spool / "gatepost" / "scanner"

    def scan(self, message: bytes, patience: float = 20.0) -> Facts:
        """The facts of a message. Raises ScanFailed."""
        return asyncio.run(ScannerClient(self._client_of, patience).scan(Request(Session(), explain=True), MemoryContent(message)))

    def serves(self) -> bool:
        try:
            self.scan(b"Subject: x\r\n\r\n")
        except ScanFailed:
            return False
        return True


def write_rules(system: System, text: str) -> None:
    (system.folder / "rules").mkdir(exist_ok=True)
    (system.folder / "rules" / "new.cf").write_text(text)
    (system.folder / "rules" / "new.cf").rename(system.folder / "rules" / "local.cf")


@pytest.fixture
def scanning() -> Iterator[Scanning]:
    system = System(MAIN)
    write_rules(system, RULES)
    command = [sys.executable, "-c", _OBEDIENT, "-c", str(system.conf), "start"]
    subprocess.run(command, env=environment(), check=True, timeout=60)
    found = Scanning(system)
    wait_for(found.serves, "a scanner", 30)
    yield found
    system.command("stop")
    shutil.rmtree(system.folder)


def test_it_can_do_nothing_but_answer(scanning: Scanning) -> None:
    told = dict(line.split(" ", 1) for line in scanning.scan(b"X-Try: all\r\n\r\n").faults)
    assert {name: outcome for name, outcome in told.items() if outcome not in ("EPERM", "EACCES")} == {}
    assert len(told) == 17


@pytest.mark.parametrize("deed", ["X-Crash", "X-Hang", "X-Grow", "X-Raise"])
def test_a_message_that_breaks_it_is_the_only_one(scanning: Scanning, deed: str) -> None:
    with pytest.raises(ScanFailed):
        scanning.scan(f"{deed}: 1\r\n\r\n".encode())
    wait_for(scanning.serves, "another scanner", 20)
    assert [hit.rule for hit in scanning.scan(b"Subject: LOUD\r\n\r\n").hits] == ["LOUD"]


def test_the_kernel_may_kill_it(scanning: Scanning) -> None:
    """As it does where memory runs out. The message that it was at fails at once, others wait for the next scanner."""
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(scanning.scan, b"X-Hang: 1\r\n\r\n")
        pid = int(wait_for(lambda: _scanner_pid(scanning.system), "the scanner's process"))
        waiting = pool.submit(scanning.scan, b"Subject: LOUD\r\n\r\n")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ScanFailed):
            hanging.result()
        assert waiting.result().score == 2.5


def test_it_shares_no_memory_with_workers(scanning: Scanning) -> None:
    """Whoever has taken it over would read, and write, the secrets of TLS session tickets."""
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(scanning.scan, b"X-Hang: 1\r\n\r\n")
        folder = Path("/proc") / wait_for(lambda: _scanner_pid(scanning.system), "the scanner's process")
        assert "/memfd:" not in (folder / "maps").read_text()
        assert [link for link in map(os.readlink, (folder / "fd").iterdir()) if link.startswith("/memfd:")] == []
        with pytest.raises(ScanFailed):
            hanging.result()


def _scanner_pid(system: System) -> str:
    """Of a process that sees no files: seccomp is on, and it is no worker."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, status = (folder / "cmdline").read_text(), (folder / "status").read_text()
        except OSError:
            continue
        if str(system.conf) in command and "Seccomp_filters:\t1" in status and "State:\tR" in status:
            return folder.name
    return ""


def test_new_rules_under_load_delay_nothing(scanning: Scanning) -> None:
    """After a reload the new rules come as soon as they are compiled, and every message before is answered by the old ones."""
    write_rules(scanning.system, RULES + "header NEW Subject =~ /LOUD/\nscore NEW 1.0\n")
    scanning.system.command("reload")
    answers: list[tuple[str, ...]] = []

    def has_them() -> bool:
        answers.append(tuple(hit.rule for hit in scanning.scan(b"Subject: LOUD\r\n\r\n").hits))
        return answers[-1] == ("LOUD", "NEW")

    wait_for(has_them, "the new rules", 30)
    assert set(answers) <= {("LOUD",), ("LOUD", "NEW")}
