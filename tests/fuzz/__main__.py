"""Usage: python -m tests.fuzz [CORE…] [--runs N] [--seconds S] [--engine atheris|hypothesis]: feed each core N inputs.

Status 1: one failed.

atheris (`pip install '.[fuzz]'`) lets coverage choose the inputs, which finds more; Hypothesis, which is always there, chooses
them blindly around the seeds. An input that fails is shown: put it into tests/fuzz/seeds/CORE/ and mend the core.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
LONGEST = 256
"""Octets of an input."""


def main() -> int:
    from tests.fuzz.cores import CORES

    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("cores", nargs="*", metavar="CORE", help="all where none is named: " + " ".join(CORES))
    parser.add_argument("--runs", type=int, default=20_000, help="inputs for each core")
    parser.add_argument(
        "--seconds", type=int, default=0, help="time for each core, after which atheris stops before its N (0: any)"
    )
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser.add_argument("--engine", choices=("atheris", "hypothesis"), default="atheris" if has_atheris else "hypothesis")
    arguments = parser.parse_args()
    if unknown := set(arguments.cores) - CORES.keys():
        parser.error(f"no such core: {' '.join(sorted(unknown))}")
    manner = (arguments.engine, arguments.runs, arguments.seconds)
    failed = [core for core in arguments.cores or CORES if not _fuzzed(core, *manner)]
    return 1 if failed else 0


_EXECUTED = re.compile(r"stat::number_of_executed_units: (\d+)")


def _fuzzed(core: str, engine: str, runs: int, seconds: int) -> bool:
    """Run one core in a process of its own; whether it held."""
    began = time.monotonic()
    words = [sys.executable, "-m", "tests.fuzz.engines", engine, core, str(runs), str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True)
    held = done.returncode == 0
    executed = _EXECUTED.search(done.stderr)
    count, took = executed[1] if executed else runs, time.monotonic() - began
    print(f"{core}: {count} runs by {engine} in {took:.0f} s: {'held' if held else 'FAILED'}", flush=True)
    if not held:
        print(f"{done.stdout[-4000:]}{done.stderr[-2000:]}", flush=True)
    return held


if __name__ == "__main__":
    sys.exit(main())
