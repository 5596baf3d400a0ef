"""A queue of a million recipients for a next hop that does not answer: does anything else notice?

    python -m bench.million [RECIPIENTS]

Prints: how fast mail is accepted with an empty and with the full queue, how long `mailq` takes, from restart to the first
delivery elsewhere, memory, and how long mail to another destination takes meanwhile.
"""

import smtplib
import subprocess
import sys
import threading
import time

from tests.support.free_ports import free_port
from tests.support.running import System, wait_for
from tests.support.sink import Sink

_PER_MESSAGE = 500
_SESSIONS = 4
_PROBE = 20
_TEXT = "Subject: bulk\r\n\r\n" + "x" * 70 + "\r\n"


def fill(port: int, recipients: int) -> float:
    """Queue that many recipients of dead.example; recipients accepted per second."""
    begun = time.perf_counter()
    share = recipients // _SESSIONS
    threads = [threading.Thread(target=_session, args=(port, number * share, share)) for number in range(_SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return recipients / (time.perf_counter() - begun)


def _session(port: int, first: int, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=120) as client:
        for start in range(first, first + count, _PER_MESSAGE):
            to = [f"u{number}@dead.example" for number in range(start, min(start + _PER_MESSAGE, first + count))]
            client.sendmail("a@example.com", to, _TEXT)


def accept_rate(port: int, seconds: float = 3.0) -> float:
    """Messages a second that one client gets accepted, one recipient each, for the destination that answers."""
    begun, count = time.perf_counter(), 0
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        while time.perf_counter() - begun < seconds:
            client.sendmail("a@example.com", ["b@alive.example"], _TEXT)
            count += 1
    return count / seconds


def delay_elsewhere(system: System, sink: Sink) -> float:
    """Seconds from acceptance to delivery at the destination that answers: the worst of a few. One more goes first: it waits behind
    what `accept_rate` has left for the same destination."""
    worst = 0.0
    for number in range(-1, _PROBE):
        name = f"probe-{time.time()}-{number}"
        begun = time.perf_counter()
        system.send(f"X-Id: {name}\r\n\r\nx\r\n", to="b@alive.example")
        wait_for(lambda name=name: sink.count(name.encode()), "the probe", 300)
        worst = max(worst, time.perf_counter() - begun) if number >= 0 else 0.0
    return worst


def timed(system: System, *command: str) -> tuple[float, str]:
    """Seconds that a command takes, and the last line that it prints."""
    begun = time.perf_counter()
    done = system.command(*command)
    return time.perf_counter() - begun, (done.stdout.splitlines() or [""])[-1]


def main() -> None:
    """Fill, look, restart, look again."""
    recipients = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with Sink() as sink:
        dead, alive = f"smtp:[127.0.0.1]:{free_port()}", f"smtp:[127.0.0.1]:{sink.port}"
        main_cf = {
            "transport_maps": f"inline:{{ {{ dead.example = {dead} }}, {{ alive.example = {alive} }} }}",
            "minimal_backoff_time": "1h",
            "maximal_backoff_time": "1h",
            "queue_run_delay": "5m",
            "transport_retry_time": "60s",
            "smtpd_recipient_limit": str(_PER_MESSAGE),
        }
        with System(main_cf) as system:
            report(system, sink, recipients)


def report(system: System, sink: Sink, recipients: int) -> None:
    """The figures, one a line."""
    print(f"empty queue: {accept_rate(system.port):8.0f} messages/s accepted, {system.resident() / 1e6:.0f} MB", flush=True)
    print(f"filling:     {fill(system.port, recipients):8.0f} recipients/s accepted", flush=True)
    print(f"full queue:  {accept_rate(system.port):8.0f} messages/s accepted, {system.resident() / 1e6:.0f} MB", flush=True)
    print(f"elsewhere:   {delay_elsewhere(system, sink) * 1000:8.0f} ms at worst from sending to delivery", flush=True)
    taken, line = timed(system, "mailq")
    print(f"mailq:       {taken * 1000:8.0f} ms, {line}", flush=True)
    begun = time.perf_counter()
    system.stop()
    stopped = time.perf_counter()
    system.start()
    system.send("X-Id: after-restart\r\n\r\nx\r\n", to="b@alive.example")
    wait_for(lambda: sink.count(b"after-restart"), "delivery after the restart", 300)
    delivered = time.perf_counter()
    print(f"restart:     {(stopped - begun) * 1000:8.0f} ms to stop, {(delivered - stopped) * 1000:.0f} ms to a delivery")
    print(f"             {system.resident() / 1e6:8.0f} MB")


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as late:
        sys.exit(f"too slow: {late}")
