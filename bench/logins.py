"""What logins cost, and what a brute forcer costs the others: Gatepost with a file of users, and Debian's Postfix with Cyrus'
sasldb, which has no hashes to compute.

python -m bench.logins [--sessions N] [--rounds N] [--windows N] [--seconds S]      (as root)

`cost`: sessions with AUTH PLAIN and without, in turn; CPU milliseconds that a login is dearer. `guesses`: the median time of honest
sessions, each of which logs in and sends a message, in quiet seconds and in those in which somebody guesses 100 passwords a second,
from one address and from hundreds; each guess is a connection of its own.
"""

import argparse
import asyncio
import multiprocessing
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from bench.client import Session
from bench.relay import sink
from bench.servers import Server, executable, fresh_directory, gatepost, postfix

_USER, _PASSWORD = "anna@example.net", "the right one"
_MESSAGE = b"Subject: honest\r\n\r\n" + (b"x" * 76 + b"\r\n") * 12
_RATE = 100  # guesses a second
_PAUSE = 0.02  # seconds between honest sessions
_LEAD = 1.0  # seconds for an attack to get going, and for what it left to be done
_MAIN = """\
smtpd_sasl_auth_enable = yes
smtpd_client_event_limit_exceptions =
smtpd_client_connection_rate_limit = 0
"""


@contextmanager
def ours(relay: int) -> Iterator[Server]:
    """Gatepost with a user in a file."""
    file = fresh_directory() / "users"
    command = [executable(), "user", "-f", str(file), "add", _USER]
    subprocess.run(command, input=f"{_PASSWORD}\n", text=True, check=True, capture_output=True)
    os.chown(file, 0, pwd.getpwnam("postfix").pw_gid)
    with gatepost(relay, more=f"{_MAIN}smtpd_auth_backends = file:{file}\n") as server:
        yield server


@contextmanager
def theirs(relay: int) -> Iterator[Server]:
    """Postfix with a user in a sasldb."""
    with postfix(relay, more=_MAIN) as server:
        folder = Path(os.readlink(f"/proc/{server.pid}/cwd")).parent / "conf" / "sasl"
        folder.mkdir()
        command = ["saslpasswd2", "-p", "-c", "-f", str(folder / "sasldb2"), "-u", "example.net", "anna"]
        subprocess.run(command, input=_PASSWORD, text=True, check=True)
        shutil.chown(folder / "sasldb2", group="postfix")
        (folder / "sasldb2").chmod(0o640)
        (folder / "smtpd.conf").write_text(f"pwcheck_method: auxprop\nsasldb_path: {folder}/sasldb2\nmech_list: plain login\n")
        yield server


def honest(server: Server, *, logs_in: bool = True) -> float:
    """Seconds of a session that sends a message. Raises SystemExit where it cannot."""
    began = time.perf_counter()
    with Session(server.port) as session:
        session.say(b"EHLO client.example.com")
        if logs_in and (code := session.login(_USER, _PASSWORD)) != 235:
            raise SystemExit(f"bench: {code} to AUTH")
        session.send(_MESSAGE)
        session.say(b"QUIT")
    return time.perf_counter() - began


def cost(server: Server, sessions: int) -> tuple[float, float]:
    """CPU milliseconds of a session with a login and of one without."""
    found = []
    for logs_in in (True, False):
        used = server.cpu()
        for _ in range(sessions):
            honest(server, logs_in=logs_in)
        time.sleep(0.5)
        found.append((server.cpu() - used) * 1000 / sessions)
    return found[0], found[1]


async def _guess(port: int, number: int, sources: int) -> None:
    """As cheap for the client as can be: all in one packet."""
    loop = asyncio.get_running_loop()
    user, source = (f"user{number}", 1 + number % sources) if sources > 1 else (_USER, 1)
    response = b64encode(f"\0{user}\0guess{number}".encode())
    with suppress(OSError), socket.socket() as guesser:
        guesser.setblocking(False)
        guesser.bind((f"127.1.{source // 250}.{1 + source % 250}", 0))
        await loop.sock_connect(guesser, ("127.0.0.1", port))
        await loop.sock_recv(guesser, 200)  # the greeting
        await loop.sock_sendall(guesser, b"EHLO guesser\r\nAUTH PLAIN %b\r\n" % response)
        replies = b""
        while b"\n535 " not in replies and b"\n454 " not in replies and (octets := await loop.sock_recv(guesser, 2000)):
            replies += octets


async def _guess_on(port: int, sources: int, seconds: float) -> None:
    """As many a second, whether they are answered or not."""
    loop, tasks = asyncio.get_running_loop(), set()
    began = loop.time()
    for number in range(int(seconds * _RATE)):
        await asyncio.sleep(began + number / _RATE - loop.time())
        tasks.add(task := loop.create_task(_guess(port, number, sources)))
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()


def _guesser(port: int, sources: int, seconds: float) -> None:
    asyncio.run(_guess_on(port, sources, seconds))


def times(server: Server, seconds: float, sources: int = 0) -> list[float]:
    """Milliseconds of honest sessions, while somebody guesses from so many addresses, or nobody (0) does."""
    guesser = multiprocessing.get_context("fork").Process(target=_guesser, args=(server.port, sources, seconds + _LEAD))
    if sources:
        guesser.start()
    time.sleep(_LEAD)
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found.append(honest(server) * 1000)
        time.sleep(_PAUSE)
    if sources:
        guesser.join()
    return found


def medians(server: Server, asked: argparse.Namespace, sources: int) -> tuple[float, float]:
    """Of honest sessions in quiet seconds, and meanwhile: in turn, so that what else the machine does meets both."""
    quiet: list[float] = []
    attacked: list[float] = []
    for _ in range(asked.windows):
        quiet += times(server, asked.seconds)
        attacked += times(server, asked.seconds, sources)
    return statistics.median(quiet), statistics.median(attacked)


def run(name: str, start: Callable[[int], AbstractContextManager[Server]], asked: argparse.Namespace) -> None:
    with sink() as target, start(target.port) as server:
        for _ in range(200):
            honest(server)
        costs = [cost(server, asked.sessions) for _ in range(asked.rounds)]
        with_login, without = (statistics.median(one) for one in zip(*costs, strict=True))
        dearer = statistics.median(a - b for a, b in costs)
        print(f"{name:<10}CPU ms: with a login {with_login:.3f}, without {without:.3f}, dearer by {dearer:.3f}", flush=True)
        for sources in (1, 300):
            quiet, attacked = medians(server, asked, sources)
            told = f"guesses from {sources}: quiet {quiet:.2f} ms, meanwhile {attacked:.2f} ms, {attacked / quiet - 1:+.0%}"
            print(f"{name:<10}{told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Logins at Gatepost and Postfix.")
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5, help="of sessions with a login and without")
    parser.add_argument("--windows", type=int, default=15, help="quiet ones, and as many with guesses")
    parser.add_argument("--seconds", type=float, default=1.5, help="of a window")
    asked = parser.parse_args()
    run("gatepost", ours, asked)
    run("postfix", theirs, asked)


if __name__ == "__main__":
    main()
