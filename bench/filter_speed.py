"""What a message costs: CPU of our scanner beside that of real spamd, over the same messages and rules, without network and Bayes.

`python -m bench.filter_speed [--sample N] [--spamd]`: the scanner alone, or spamd too (Debian's, started here with one child).
Told are CPU milliseconds a message, ours by stage as well, and what a start from a cache takes. Messages:
bench/filter_agreement.py.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.filter_agreement import unpacked

from gatepost.filter.facts import Request
from gatepost.filter.match import compiled
from gatepost.filter.port import Session
from gatepost.filter.rules import reading, ruleset
from gatepost.filter.scan import Limits, Scanner

_WARM = 50
"""Messages before the clock runs: patterns are compiled when they are first needed."""
_TICKS = os.sysconf("SC_CLK_TCK")


def ours(messages: Sequence[bytes]) -> Iterator[str]:
    """Our figures."""
    rules = reading.read(reading.installed(), local=True)
    encoded, databases = ruleset.encoded(rules), compiled.encoded(compiled.compiled(rules))
    began = time.perf_counter()
    scanner = Scanner(ruleset.decoded(encoded), compiled.decoded(databases), Limits())
    yield f"start with cached rules: {(time.perf_counter() - began) * 1000:.0f} ms; databases {len(databases) / 1e6:.1f} MB"
    for octets in messages[:_WARM]:
        scanner.scan(octets, Request(Session()))
    stages: Counter[str] = Counter()
    began = time.process_time()
    for octets in messages:
        for stage, seconds in scanner.scan(octets, Request(Session())).seconds.items():
            stages[stage] += seconds  # type: ignore[assignment]
    yield f"gatepost: {(time.process_time() - began) / len(messages) * 1000:.2f} ms of CPU a message"
    yield "  " + ", ".join(f"{stage} {seconds / len(messages) * 1000:.2f}" for stage, seconds in stages.most_common())


def of_spamd(messages: Sequence[bytes]) -> Iterator[str]:
    """Those of spamd."""
    with _spamd() as (port, pid):
        for octets in messages[:_WARM]:
            _ask(port, octets)
        before = _cpu(pid)
        for octets in messages:
            _ask(port, octets)
        yield f"spamd: {(_cpu(pid) - before) / len(messages) * 1000:.1f} ms of CPU a message"


@contextlib.contextmanager
def _spamd() -> Iterator[tuple[int, int]]:
    """A spamd with one child: its port and process."""
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]
    command = ["/usr/sbin/spamd", "-L", "-p", str(port), "-m", "1", "--min-children=1", "-x", "-u", "nobody", "-i", "127.0.0.1"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.2)
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _ask(port: int, octets: bytes) -> bytes:
    """One CHECK of spamd's protocol (spamd/PROTOCOL)."""
    with socket.create_connection(("127.0.0.1", port), 120) as connection:
        connection.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(octets) + octets)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process and its children."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(folder.name) == pid or int(fields[1]) == pid:
                total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--spamd", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        messages = [Path(file).read_bytes() for file in unpacked(Path(folder), given.sample)]
    for line in (*ours(messages), *(of_spamd(messages) if given.spamd else ())):
        print(line, flush=True)


if __name__ == "__main__":
    main()
