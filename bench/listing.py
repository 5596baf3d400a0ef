"""How long `mailq` takes for a long queue of messages with one recipient each.

    python -m bench.listing [MESSAGES]

The queue is written as the store would have left it, in two partitions, and nothing runs. As root.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gatepost.queue import schema

_PARTITIONS = 2
_BEGIN = 1_795_000_000_000_000  # microseconds since 1970
_MESSAGE = "INSERT INTO message(key, sender, size, recipients, flags) VALUES (?, ?, 1000, 1, 0)"
_RECIPIENT = "INSERT INTO recipient(key, number, status, due, site, attempts, reason, address) VALUES (?, 0, 0, ?, 'smtp', 1, ?, ?)"
_REASON = "connect to dead.example[192.0.2.1]:25: Connection refused"


def fill(queue: Path, messages: int) -> None:
    """Queue that many messages for a dead destination."""
    for partition in range(1, _PARTITIONS + 1):
        directory = queue / schema.STORE / str(partition)
        directory.mkdir(parents=True)
        connection = schema.connect(directory)
        keys = range(_BEGIN + partition, _BEGIN + messages * 1000, 1000 * _PARTITIONS)
        connection.execute("BEGIN")
        connection.executemany(_MESSAGE, ((key, f"s{key % 997}@example.com") for key in keys))
        connection.executemany(_RECIPIENT, ((key, _BEGIN / 1e6, _REASON, f"u{key}@dead.example") for key in keys))
        connection.execute("COMMIT")
        connection.close()


def main() -> None:
    """Fill, list, print seconds."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        fill(directory / "queue", messages)
        (directory / "main.cf").write_text(f"queue_directory = {directory}/queue\nmail_owner = nobody\n")
        directory.chmod(0o755)
        subprocess.run(["chown", "-R", "nobody", name], check=True)
        (directory / "master.cf").touch()
        for option in ("-p", "-j"):
            command = [sys.executable, "-m", "gatepost.cli", "-c", name, "postqueue", option]
            begun, before = time.perf_counter(), _cpu()
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            taken = time.perf_counter() - begun
            lines = done.stdout.count(b"\n")
            print(f"postqueue {option}: {taken:.2f} s, {_cpu() - before:.2f} s of CPU, {lines} lines", flush=True)


def _cpu() -> float:
    """Seconds of CPU that the ended children took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
