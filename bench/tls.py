"""TLS from the first octet (smtps), Gatepost and Debian's Postfix in turn: handshakes, messages, and what is resumed.

python -m bench.tls [--rounds N] [--seconds S] [--messages N]      (as root)

Handshakes are those of `openssl s_time`, which hangs up after each; messages have 5 KB, on a connection each and over ten
connections that are kept. The clients need as much of the machine as the servers: the ratio of CPU tells more than that of rates.
"""

import argparse
import os
import re
import signal
import ssl
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from bench.client import Session, side_by_side, trusting
from bench.relay import sink
from bench.servers import Server, fresh_directory, gatepost, postfix
from tests.support import certificate

_CLIENTS = 4
_MESSAGE = b"Subject: over TLS\r\n\r\n" + (b"x" * 76 + b"\r\n") * 64
_RESUMED = 400
Start = Callable[..., AbstractContextManager[Server]]


class Figures(NamedTuple):
    """Of one run: handshakes a second and CPU milliseconds of each; messages a second over new and over kept connections, and CPU
    milliseconds of each; the shares of sessions that were resumed, by TLS 1.3 and 1.2."""

    handshakes: float
    handshake_cpu: float
    new: float
    new_cpu: float
    kept: float
    kept_cpu: float
    resumed_13: float
    resumed_12: float


def parameters() -> str:
    """Lines of main.cf, with a certificate whose key is of P-256."""
    pair = certificate.make(fresh_directory(), "mx.example.net")
    return (
        f"smtpd_tls_security_level = may\nsmtpd_tls_wrappermode = yes\n"
        f"smtpd_tls_cert_file = {pair.chain}\nsmtpd_tls_key_file = {pair.key}\n"
    )


@contextmanager
def measured(server: Server) -> Iterator[list[float]]:
    """Fills in seconds by the clock, and CPU milliseconds of the server."""
    found: list[float] = []
    used, began = server.cpu(), time.perf_counter()
    yield found
    found.append(time.perf_counter() - began)
    time.sleep(0.5)  # what is done after the last of them counts as well
    found.append((server.cpu() - used) * 1000)


def handshakes(server: Server, seconds: int) -> tuple[float, float]:
    """A second, and CPU milliseconds of each."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{server.port}", "-new", "-time", str(seconds)]
    with measured(server) as found:
        clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(_CLIENTS)]
        told = [client.communicate()[0] for client in clients]
    counts = [re.search(r"(\d+) connections in \d+ real seconds", text) for text in told]
    number = sum(int(count[1]) for count in counts if count is not None)
    return number / found[0], found[1] / number


def _send(port: int, messages: int, kept: bool) -> None:
    context, session = trusting(), None
    for _ in range(messages):
        if session is None:
            session = Session(port, context)
            session.say(b"EHLO client.example.com")
        session.send(_MESSAGE)
        if not kept:
            session.say(b"QUIT")
            session = None


def messages(server: Server, number: int, *, kept: bool) -> tuple[float, float]:
    """A second, and CPU milliseconds of each."""
    clients = 10 if kept else _CLIENTS
    with measured(server) as found:
        side_by_side(clients, _send, server.port, number // clients, kept)
    return number / found[0], found[1] / number


def resumed(server: Server, version: str, reload: Callable[[], None]) -> float:
    """The share of sessions that go on with the last ticket, a reload in their middle."""
    context = trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    last, times = None, 0
    for number in range(_RESUMED + 1):
        if number == _RESUMED // 2:
            reload()
        with Session(server.port, context, last) as session:
            assert session.tls is not None
            times += bool(session.tls.session_reused)
            session.say(b"EHLO client.example.com")
            last = session.tls.session
            session.say(b"QUIT")
    return times / _RESUMED


def run(start: Start, more: str, asked: argparse.Namespace) -> Figures:
    """One server, from a cold start, warmed up."""
    with sink() as target, start(target.port, more=more) as server:
        side_by_side(_CLIENTS, _send, server.port, 50, False)
        target.wait(50 * _CLIENTS)
        shaken = handshakes(server, asked.seconds)
        new = messages(server, asked.messages, kept=False)
        kept = messages(server, asked.messages, kept=True)
        reload = lambda: os.kill(server.pid, signal.SIGHUP)  # noqa: E731
        return Figures(*shaken, *new, *kept, resumed(server, "TLSv1_3", reload), resumed(server, "TLSv1_2", reload))


def main() -> None:
    parser = argparse.ArgumentParser(description="TLS of Gatepost and Postfix, side by side.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of handshakes")
    parser.add_argument("--messages", type=int, default=1000)
    asked = parser.parse_args()
    more = parameters()
    runs: dict[str, list[Figures]] = {"gatepost": [], "postfix": []}
    for _ in range(asked.rounds):
        for name, start in (("gatepost", gatepost), ("postfix", postfix)):
            runs[name].append(run(start, more, asked))
            print(name, " ".join(f"{value:.3f}" for value in runs[name][-1]), flush=True)
    ours, theirs = (Figures(*map(statistics.median, zip(*runs[name], strict=True))) for name in ("gatepost", "postfix"))
    print(f"{'median':<15}{'gatepost':>12}{'postfix':>12}{'ratio':>8}")
    for name, a, b in zip(Figures._fields, ours, theirs, strict=True):
        print(f"{name:<15}{a:>12.3f}{b:>12.3f}{a / b if b else 0:>8.2f}")


if __name__ == "__main__":
    main()
