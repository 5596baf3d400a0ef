"""A running Gatepost of a test's own: started from outside with a main.cf and a master.cf, in a temporary folder, on free ports.

    with Sink() as sink, System(main={"smtpd_timeout": "2s"}, relay=sink.port) as system:
        system.send("X-Id: 1\\r\\n\\r\\nbody\\r\\n")

At the end the system is stopped, and what it wrote must not hold a Python traceback. Works as root and without.
"""

import contextlib
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.support.free_ports import free_ports

T = TypeVar("T")

_SOURCE = Path(__file__).resolve().parents[2] / "src"
_START_PATIENCE = 30.0  # seconds
_STOP_PATIENCE = 20.0

OWNER = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
"""Whom the queue belongs to."""

_MAIN = {
    "compatibility_level": "3.6",
    "queue_directory": "{dir}/spool",
    "data_directory": "{dir}/data",
    "maillog_file": "{dir}/mail.log",
    "maillog_file_prefixes": "{dir}",
    "mail_owner": OWNER,
    "default_privs": "daemon",
    "setgid_group": "nogroup",
    "myhostname": "mail.example.test",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "alias_maps": "",
    "worker_processes": "2",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_peername_lookup": "no",
    "queue_minfree": "1",
    "in_flow_delay": "0",
    "minimal_backoff_time": "1s",
    "maximal_backoff_time": "2s",
    "queue_run_delay": "1s",
    "transport_retry_time": "1s",
}
MASTER = "127.0.0.1:{port} inet n - n - - smtpd\n"
"""One service, on the port `System.port`; `{second}` and so on stand for `System.second` and so on."""


class System:
    """One Gatepost in `folder` (removed at the end unless the caller names one).

    `main`: parameters besides the usual ones, `{dir}` stands for the folder. `master`: the text of master.cf.
    `relay`: the port of 127.0.0.1 to which all mail goes. `port`: where it takes mail; `second` to `fourth`: other free ports.
    `prefix`: a command to run it under (`ip netns exec …`).
    """

    def __init__(
        self,
        main: Mapping[str, str] | None = None,
        master: str = MASTER,
        *,
        relay: int | None = None,
        folder: Path | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self._keep = folder is not None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="gatepost-test-"))
        self.folder.chmod(0o755)
        self.port, self.second, self.third, self.fourth = free_ports(4)
        self.conf = self.folder / "conf"
        self.spool = self.folder / "spool"
        self.conf.mkdir(exist_ok=True)
        self._relay = {} if relay is None else {"relayhost": f"[127.0.0.1]:{relay}"}
        self._prefix = prefix
        self.main = {**_MAIN, **self._relay, **(main or {})}
        self.master = master
        self.process: subprocess.Popen[bytes] | None = None
        self.configure()

    def __enter__(self) -> "System":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        told = self.output() + self.log()
        if error is not None:
            sys.stderr.write(f"--- output and log of Gatepost ---\n{told[-20000:]}\n")
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert error is not None or "Traceback" not in told, told[max(told.index("Traceback") - 1000, 0) :][:20000]

    def configure(self, main: Mapping[str, str] | None = None, master: str | None = None) -> None:
        """Write main.cf and master.cf, with these changes; takes effect at the next start or reload."""
        self.main = {**self.main, **(main or {})}
        self.master = self.master if master is None else master
        (self.conf / "main.cf").write_text("".join(f"{name} = {self.fill(value)}\n" for name, value in self.main.items()))
        (self.conf / "master.cf").write_text(self.fill(self.master))

    def fill(self, text: str) -> str:
        """`text` with this system's folder and ports put in."""
        text = text.replace("{dir}", str(self.folder))
        for name in ("port", "second", "third", "fourth"):
            text = text.replace(f"{{{name}}}", str(getattr(self, name)))
        return text

    def start(self) -> "System":
        """Start it, and return when it serves. Raises AssertionError with what it said where it does not."""
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "gatepost.cli", "-c", str(self.conf), "start", "--foreground"],
                env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        process = self.process
        wait_for(lambda: self.greets() or process.poll() is not None, "a greeting", _START_PATIENCE)
        assert process.poll() is None, self.output()
        return self

    def greets(self) -> bool:
        """Whether somebody answers at the port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                return connection.recv(3) in (b"220", b"421")
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it in an orderly way; kill it where that takes too long."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop within {_STOP_PATIENCE} s\n{self.log()[-5000:]}") from None

    def kill(self) -> None:
        """kill -9 of every process at once."""
        assert self.process is not None
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def reload(self) -> None:
        """Have it read its configuration again (SIGHUP); does not wait for the effect."""
        os.kill(self.supervisor(), signal.SIGHUP)

    def supervisor(self) -> int:
        """The pid of the supervisor."""
        return self.pids()[-1]

    def pids(self) -> list[int]:
        """Every live process of it, children before parents, the supervisor last."""
        assert self.process is not None
        children: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
                if state != "Z":
                    children.setdefault(int(parent), []).append(int(path.parent.name))
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children.get(pid, [])
        return found[::-1]

    def workers(self) -> list[int]:
        """Pids of the workers: those children that hold a queue partition open."""
        return [pid for pid in self.pids()[:-1] if any("queue.sqlite" in target for target in open_files(pid))]

    def resident(self) -> int:
        """Resident memory of all its processes, in octets (shared pages once: Pss)."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total

    def log(self) -> str:
        """The mail log so far."""
        path = self.folder / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def output(self) -> str:
        """What it wrote to standard output and standard error."""
        path = self.folder / "output"
        return path.read_text(errors="replace") if path.exists() else ""

    def logged(self, *texts: str, seconds: float = 15.0) -> str:
        """Wait for a log line that holds every one of `texts`, and return it."""

        def found() -> str:
            return next((line for line in self.log().splitlines() if all(text in line for text in texts)), "")

        return wait_for(found, lambda: f"a log line with {texts} in\n{self.log()[-8000:]}", seconds)

    def command(self, *words: str, **how: object) -> "subprocess.CompletedProcess[str]":
        """Run a command of Gatepost (`audit`, `postqueue`, `sendmail` …) against this system."""
        name, *rest = words
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [*self._prefix, sys.executable, "-m", "gatepost.cli", name, *rest],
            capture_output=True, text=True, errors="replace", timeout=60,
            env={**environment(), "MAIL_CONFIG": str(self.conf)}, **how,
        )  # fmt: skip

    def queue(self) -> list[str]:
        """The lines of `postqueue -j`, one a message."""
        return self.command("postqueue", "-j").stdout.splitlines()

    def audit(self) -> "subprocess.CompletedProcess[str]":
        """`gatepost audit --thorough`."""
        return self.command("audit", "--thorough")

    def client(self, port: int | None = None) -> "Client":
        """A connection to it, greeted."""
        return Client(port or self.port)

    def send(self, text: str = "Subject: test\r\n\r\nbody\r\n", sender: str = "a@example.com", to: str = "b@example.net") -> bool:
        """Send one message; True where it was acknowledged."""
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
                client.sendmail(sender, [to], text)
                return True
        except (OSError, smtplib.SMTPException):
            return False


class Client:
    """An SMTP client that says exactly what it is told to; replies are (code, text) with lines joined by newlines."""

    def __init__(self, port: int, timeout: float = 20.0, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._file.close()
            self.socket.close()

    def write(self, data: bytes, *, piece: int = 0) -> None:
        """Send octets; with `piece`, that many per packet."""
        for start in range(0, len(data), piece) if piece else ():
            self.socket.sendall(data[start : start + piece])
        if not piece:
            self.socket.sendall(data)

    def reply(self) -> tuple[int, str]:
        """The next reply; (0, "") where the other side has hung up."""
        lines = []
        while True:
            try:
                line = self._file.readline(4096)
            except ConnectionResetError:
                line = b""
            if not line:
                return 0, ""
            lines.append(line[4:].decode("ascii", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def say(self, line: str | bytes) -> tuple[int, str]:
        """Send a command line and return the reply."""
        self.write((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def all_replies(self) -> list[int]:
        """The codes of all replies until the other side hangs up."""
        codes = []
        while code := self.reply()[0]:
            codes.append(code)
        return codes

    def envelope(self, sender: str = "a@example.com", *to: str, hello: str = "EHLO") -> None:
        """EHLO, MAIL and RCPT; every one must be taken."""
        for line in (
            f"{hello} client.example.com",
            f"MAIL FROM:<{sender}>",
            *(f"RCPT TO:<{one}>" for one in to or ("b@example.net",)),
        ):
            reply = self.say(line)
            assert reply[0] == 250, (line, reply)


def still(pid: int) -> bool:
    """Whether SIGSTOP has come to all threads of a process: kill(2) does not wait for that."""
    states = (task.joinpath("stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir())
    return all(state in "TZ" for state in states)


def lives(pid: int) -> bool:
    """Whether a process runs (one that nobody has waited for yet does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def open_files(pid: int) -> list[str]:
    """What a process has open, as proc(5) has it; what it closes meanwhile is left out, and all of one that has ended."""
    found = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(path))
    return found


def wait_for(question: Callable[[], T], what: "str | Callable[[], str]", seconds: float = 15.0) -> T:
    """The first true answer to `question`; AssertionError that names `what` where none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := question():
            return answer
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}"
        time.sleep(0.03)


def environment() -> dict[str, str]:
    """The environment of a command: this checkout, whatever is installed."""
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{_SOURCE}:{inherited}" if inherited else str(_SOURCE)}
