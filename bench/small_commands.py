"""How long the small commands take: medians of wall-clock time, for postconf, mailq on an empty queue, and sendmail of one message.

    python -m bench.small_commands [RUNS]

The goal is 120 ms each: scripts call them by the hundred.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.support.running import System, environment

_LIMIT = 120.0  # milliseconds

_COMMANDS: tuple[tuple[str, Sequence[str], str], ...] = (
    ("postconf (all)", ["postconf"], ""),
    ("postconf NAME", ["postconf", "-h", "myhostname"], ""),
    ("postconf -n", ["postconf", "-n"], ""),
    ("mailq, empty queue", ["mailq"], ""),
    ("postqueue -j", ["postqueue", "-j"], ""),
    ("sendmail, 1 message", ["sendmail", "b@example.net"], "Subject: timing\n\nx\n"),
    ("status", ["status"], ""),
)


def measure(conf: str, command: Sequence[str], text: str, runs: int) -> float:
    """Median milliseconds of a command. Raises CalledProcessError where it fails."""
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        called = [sys.executable, "-m", "gatepost.cli", *command]
        subprocess.run(called, input=text, text=True, check=True, capture_output=True, env={**_environment(), "MAIL_CONFIG": conf})
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


def _environment() -> dict[str, str]:
    """Compiled modules may be kept, as they are where Gatepost is installed."""
    return {name: value for name, value in environment().items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Measure each command against a running system whose mail goes nowhere."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with System({"default_transport": "discard", "relay_transport": "discard"}) as system:
        python = measure_python(runs)
        print(f"{'an empty Python':<24}{python:7.1f} ms")
        for name, command, text in _COMMANDS:
            median = measure(str(system.conf), command, text, runs)
            print(f"{name:<24}{median:7.1f} ms{'   over the limit' if median > _LIMIT else ''}")


def measure_python(runs: int) -> float:
    """Median milliseconds of an interpreter that does nothing: what no command can be faster than."""
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
