"""What greylisting costs: `python -m bench.greylist [TRIPLETS]`. Beside it postgrey, asked the same over its socket.

- decisions in process: of the service's desk with a store of so many triplets on disk; CPU of this process, new and known triplets;
- decisions over a socket: ours by a real Gatepost, one worker, and postgrey's, from as many connections;
- how late the event loop comes meanwhile, and that of an idle process.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.support.postgrey import Postgrey, Sent
from tests.support.running import System, wait_for

from gatepost.config.loading import read
from gatepost.policy.greylist.attempt import Attempt
from gatepost.policy.greylist.greylister import Greylister
from gatepost.policy.greylist.records import TRIPLETS, Triplet, encode
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.proto.policy_delegation import encode as wire
from gatepost.state import state_file
from gatepost.state.sqlite_store import SqliteStateStore

LISTS = "/etc/postgrey/whitelist_clients"
KNOWN, NEW = 20000, 4000
CONNECTIONS = 10
TOGETHER = 50
REQUESTS = 6000


def cpu() -> float:
    """CPU seconds of this process, its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def attempt(number: int) -> Attempt:
    network = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return Attempt(network, "unknown", f"sender-x{number}y@example.com", "recipient@example.net")


async def late(stop: asyncio.Event) -> str:
    """How late the loop comes, looked at every millisecond, until told to stop; and the CPU time that others had at a time."""
    gaps, steps = [], []
    while not stop.is_set():
        due, used = time.perf_counter() + 0.001, time.thread_time()
        await asyncio.sleep(0.001)
        gaps.append((time.perf_counter() - due) * 1000)
        steps.append((time.thread_time() - used) * 1000)
    gaps.sort()
    return f"{gaps[len(gaps) * 99 // 100]:.1f} ms (99 %), {gaps[-1]:.1f} ms (longest); at most {max(steps):.1f} ms of CPU at a time"


def control() -> tuple[int, int]:
    """(pid, what it will write to) of an idle process that looks the same way: what the machine itself costs."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:

        async def watch() -> None:
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            os.write(tell, (await late(stop)).encode())

        try:
            asyncio.run(watch())
        finally:
            os._exit(0)
    return pid, told


def fill(folder: Path, number: int) -> None:
    """So many triplets that are known, of other clients."""
    now, began = int(time.time()), time.perf_counter()
    value = encode(Triplet(now - 4000, now, now - 3000, 2))
    keys = (b"172.%d.%d.0/x%dy@example.org/r@example.net" % (n >> 12 & 255, n & 4095, n) for n in range(number))
    connection = state_file.open_writing(folder, 0).connection
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    rows = (
        (key, value, place, now + 86400.0 * 35)
        for place, key in enumerate(sorted(state_file.stored_key(TRIPLETS, k) for k in keys))
    )
    connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()
    print(f"{number} triplets stored: {time.perf_counter() - began:.0f} s", flush=True)


async def in_process(folder: Path, number: int) -> None:
    (folder / "main.cf").write_text(f"greylist_whitelist_clients = {LISTS}\n")
    (folder / "master.cf").write_text("")
    settings = read(folder).view(GreylistSettings)
    store = SqliteStateStore(folder / "state", clock=time.time, warn=print)
    offset = 0.0
    greylister = Greylister(settings, store, Whitelists(settings, print, time.monotonic), lambda: time.time() + offset)
    (folder / "state").mkdir()
    fill(folder / "state", number)
    pid, told = control()
    stop = asyncio.Event()
    pause = asyncio.create_task(late(stop))

    async def ask(name: str, numbers: range, together: int) -> None:
        began, used = time.perf_counter(), cpu()
        for first in range(0, len(numbers), together):
            await asyncio.gather(*(greylister.ask(attempt(n)) for n in numbers[first : first + together]))
        took, used = time.perf_counter() - began, cpu() - used
        each = len(numbers)
        print(f"in process, {name}: {each / took:8.0f} decisions/s, {used / each * 1e6:6.1f} us of CPU each")

    await ask("new triplets", range(NEW), TOGETHER)
    await ask("early retries", range(NEW), TOGETHER)
    offset = 400.0
    await ask("first successes", range(NEW), TOGETHER)
    for _ in range(KNOWN // NEW):
        await ask("known triplets", range(NEW), TOGETHER)
    stop.set()
    print(f"how late the loop was meanwhile: {await pause}")
    os.kill(pid, signal.SIGTERM)
    print(f"how late an idle process was: {os.read(told, 1000).decode()}", flush=True)
    os.waitpid(pid, 0)  # noqa: ASYNC222 (it has answered, and is about to end)
    await store.close()


def request(number: int, instance: int) -> bytes:
    one = attempt(number)
    return wire(Sent(0, one.client_address, one.client_name, one.sender, one.recipient, str(instance)).request())


def over_socket(family: int, address: object, first: int, count: int) -> float:
    """Seconds that so many requests take, from CONNECTIONS clients at once that wait for each answer, as smtpd does."""

    def client(numbers: range) -> None:
        with contextlib.closing(socket.socket(family)) as s:
            s.connect(address)  # type: ignore[arg-type]
            for number in numbers:
                s.sendall(request(number, number))
                answer = b""
                while not answer.endswith(b"\n\n"):
                    octets = s.recv(4096)
                    assert octets
                    answer += octets

    each = count // CONNECTIONS
    threads = [threading.Thread(target=client, args=(range(first + n * each, first + (n + 1) * each),)) for n in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def by_socket() -> None:
    main = {
        "worker_processes": "1",
        "greylist_delay": "1s",
        "greylist_auto_whitelist_clients": "0",
        "greylist_whitelist_clients": LISTS,
    }
    master = "127.0.0.1:{port} inet n - n - - smtpd\n127.0.0.1:{second} inet n - n - - greylist\n"
    with System(main, master) as system:
        wait_for(lambda: over_socket(socket.AF_INET, ("127.0.0.1", system.second), 10**6, CONNECTIONS), "the service")
        measure("our service", socket.AF_INET, ("127.0.0.1", system.second), lambda: time.sleep(1.5))
    with Postgrey(
        "--delay=1", "--auto-whitelist-clients=0", clients=Path("/etc/postgrey/whitelist_clients").read_text()
    ) as postgrey:
        measure("postgrey", socket.AF_UNIX, f"{postgrey.folder}/socket", lambda: time.sleep(1.5))


def measure(name: str, family: int, address: object, later: object) -> None:
    for what in ("new triplets", "known triplets", "known again"):
        took = over_socket(family, address, 0, REQUESTS)
        print(f"{name:>12}, {what:>14}: {REQUESTS / took:8.0f} decisions/s over {CONNECTIONS} connections")
        if what == "new triplets":
            later()  # type: ignore[operator]


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(in_process(Path(folder), number))
    by_socket()


if __name__ == "__main__":
    main()
