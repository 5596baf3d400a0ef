"""Usage: python -m tests.fuzz [CORE…] [--runs N] [--engine atheris|hypothesis]: feed each core N inputs; status 1: one failed.

atheris (`pip install '.[fuzz]'`) lets coverage choose the inputs, which finds more; Hypothesis, which is always there, chooses
them blindly around the seeds. An input that fails is shown: put it into tests/fuzz/seeds/CORE/ and mend the core.
"""

import argparse
import importlib.util
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
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser.add_argument("--engine", choices=("atheris", "hypothesis"), default="atheris" if has_atheris else "hypothesis")
    arguments = parser.parse_args()
    if unknown := set(arguments.cores) - CORES.keys():
        parser.error(f"no such core: {' '.join(sorted(unknown))}")
    failed = [core for core in arguments.cores or CORES if not _fuzzed(core, arguments.runs, arguments.engine)]
    return 1 if failed else 0


def _fuzzed(core: str, runs: int, engine: str) -> bool:
    """Run one core in a process of its own; whether it held."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "tests.fuzz.engines", engine, core, str(runs)], capture_output=True, text=True)
    held = done.returncode == 0
    print(f"{core}: {runs} runs by {engine} in {time.monotonic() - began:.0f} s: {'held' if held else 'FAILED'}", flush=True)
    if not held:
        print(f"{done.stdout[-4000:]}{done.stderr[-2000:]}", flush=True)
    return held


if __name__ == "__main__":
    sys.exit(main())
