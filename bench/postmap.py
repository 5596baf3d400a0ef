"""How long postmap(1) builds a large table, beside Debian's: `python -m bench.postmap [ENTRIES] [--types hash btree]`.

The same text, in no order, is built by each in turn into a file of its own. Told are seconds by the clock and of CPU, and the most
memory (of the file that is built, what is mapped does not count).
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_STEP = 7_368_787  # prime: the keys come in no order


def write(path: Path, entries: int) -> None:
    with path.open("w") as file:
        for number in range(entries):
            one = number * _STEP % entries
            file.write(f"user{one:08d}@example{one % 5000}.com\tstore{one % 7}.example.net\n")


def measure(command: Sequence[str]) -> tuple[float, float, int]:
    """(seconds, seconds of CPU, KB at most so far of any) of a command. Raises CalledProcessError."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, cpu, after.ru_maxrss


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("entries", nargs="?", type=int, default=10_000_000)
    arguments.add_argument("--types", nargs="+", default=["hash", "btree"])
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "main.cf").write_text("compatibility_level = 3.6\n")
        (folder / "master.cf").touch()
        source = folder / "table"
        write(source, asked.entries)
        sides = {f"postmap {kind}:": ["/usr/sbin/postmap", "-c", name, f"{kind}:{source}"] for kind in asked.types}
        sides["gatepost"] = [sys.executable, "-m", "gatepost.cli", "postmap", "-c", name, f"hash:{source}"]
        for side, command in sides.items():
            passed, cpu, memory = measure(command)
            made = [path for path in folder.iterdir() if path.suffix in (".db", ".lmdb")]
            size = sum(path.stat().st_size for path in made) >> 20
            print(f"{side:16} {passed:7.1f} s  {cpu:7.1f} s of CPU  {memory >> 10} MB at most  {size} MB file", flush=True)
            for path in made:
                os.unlink(path)


if __name__ == "__main__":
    main()
