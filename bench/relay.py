"""smtp-source -> relay -> smtp-sink, Gatepost and Debian's Postfix in turn: medians, and their ratios.

python -m bench.relay [--messages N] [--sizes OCTETS,...] [--sessions N,...] [--reuse] [--rounds N]      (as root)
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, NamedTuple

from bench.servers import Server, arrived, free_port, gatepost, postfix, wait_port


class Load(NamedTuple):
    """What smtp-source sends: `reuse` is its -d, many messages on a connection."""

    messages: int
    size: int
    sessions: int
    reuse: bool


class Figures(NamedTuple):
    """One run: messages a second accepted, and through to the sink; CPU milliseconds a message; MiB right after the load."""

    accepted: float
    relayed: float
    cpu: float
    memory: float


class Sink:
    """smtp-sink with its counter."""

    def __init__(self, port: int, counter: BinaryIO) -> None:
        self.port = port
        self._counter = counter

    def count(self) -> int:
        """Messages taken so far."""
        self._counter.seek(0)
        return int((re.findall(rb"\d+", self._counter.read()) or [b"0"])[-1])

    def wait(self, wanted: int) -> float:
        """When `wanted` messages were there."""
        return arrived(self.count, wanted)


@contextmanager
def sink() -> Iterator[Sink]:
    port = free_port()
    with tempfile.TemporaryFile() as counter:
        process = subprocess.Popen(["smtp-sink", "-c", "-u", "postfix", f"127.0.0.1:{port}", "1000"], stdout=counter)
        try:
            wait_port(port)
            yield Sink(port, counter)
        finally:
            process.terminate()
            process.wait()


def send(server: Server, load: Load) -> None:
    options = ["-d"] if load.reuse else []
    options += ["-s", str(load.sessions), "-m", str(load.messages), "-l", str(load.size)]
    envelope = ["-f", "a@example.com", "-t", "b@example.net"]
    subprocess.run(["smtp-source", *options, *envelope, f"127.0.0.1:{server.port}"], check=True)


def run(start: Callable[[int], AbstractContextManager[Server]], load: Load) -> Figures:
    """One server, from a cold start: warmed up, loaded, measured."""
    with sink() as target, start(target.port) as server:
        warm = load._replace(messages=min(200, load.messages))
        send(server, warm)
        target.wait(warm.messages)
        time.sleep(0.5)
        used, began = server.cpu(), time.perf_counter()
        send(server, load)
        accepted = time.perf_counter() - began
        held = server.memory()
        relayed = target.wait(warm.messages + load.messages) - began
        time.sleep(0.5)  # what is done after the last delivery counts as well
        used = server.cpu() - used
    return Figures(load.messages / accepted, load.messages / relayed, used / load.messages * 1000, held)


def medians(runs: list[Figures]) -> Figures:
    return Figures(*map(statistics.median, zip(*runs, strict=True)))


def row(name: str, load: Load, figures: Figures, digits: int) -> str:
    columns = "".join(f"{value:12.{digits}f}" for value in figures)
    return f"{load.size:>9}{load.sessions:>9}  {'reuse' if load.reuse else 'new':<6} {name:<9}{columns}"


def compare(load: Load, rounds: int) -> None:
    """Both servers in turn, so that what else the machine does meets both."""
    runs: dict[str, list[Figures]] = {"gatepost": [], "postfix": []}
    for _ in range(rounds):
        runs["gatepost"].append(run(gatepost, load))
        runs["postfix"].append(run(postfix, load))
    ours, theirs = medians(runs["gatepost"]), medians(runs["postfix"])
    print(row("gatepost", load, ours, 2))
    print(row("postfix", load, theirs, 2))
    print(row("ratio", load, Figures(*(a / b if b else 0.0 for a, b in zip(ours, theirs, strict=True))), 2), flush=True)


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description="Relay rates of Gatepost and Postfix, side by side.")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--sizes", type=numbers, default=[5000], metavar="OCTETS,...")
    parser.add_argument("--sessions", type=numbers, default=[20], metavar="N,...")
    parser.add_argument("--reuse", action="store_true", help="many messages on a connection (smtp-source -d)")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"{'octets':>9}{'sessions':>9}  {'conn':<6} {'':<9}{'accepted/s':>12}{'relayed/s':>12}{'CPU ms/msg':>12}{'PSS MiB':>12}")
    for size in asked.sizes:
        for sessions in asked.sessions:
            compare(Load(asked.messages, size, sessions, asked.reuse), asked.rounds)


if __name__ == "__main__":
    main()
