"""Usage: python -m tests.golden [DIR] [-v] [-j N] [--name REGEX]: play every case found under DIR."""

import argparse
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.golden.surroundings import OWN, Stubs, cases, enter


def main() -> int:
    parser = argparse.ArgumentParser(prog="make golden", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=OWN)
    parser.add_argument("-v", "--verbose", action="store_true", help="list the differences of each case that fails")
    parser.add_argument("-j", type=int, default=3 * len(os.sched_getaffinity(0)), help="cases side by side")
    parser.add_argument("--name", default="", help="only cases whose name matches")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit status 1 where less than this share (0..1) passes")
    parser.add_argument("--results", type=Path, help="write {name: differences} to this file as JSON")
    parser.add_argument("--runner", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.runner:
        return run(arguments.folder)
    chosen = [(kind, case) for kind, case in cases(arguments.folder) if re.search(arguments.name, case["name"])]
    results = conduct(arguments.folder, chosen, max(1, min(arguments.j, len(chosen))), arguments.verbose)
    if arguments.results:
        arguments.results.write_text(json.dumps(results, indent=1))
    passed = sum(not differences for differences in results.values())
    print(f"golden: {passed} of {len(chosen)} pass")
    return 0 if chosen and passed >= arguments.at_least * len(chosen) else 1


def conduct(folder: Path, chosen: list[tuple[str, dict[str, Any]]], width: int, verbose: bool) -> dict[str, list[str]]:
    """Hand the cases out to `width` runners, each in namespaces of its own, and gather what they say."""
    command = [sys.executable, "-m", "tests.golden", str(folder), "--runner"]
    runners = {p.stdout: p for p in (subprocess.Popen(command, stdin=-1, stdout=-1, text=True, bufsize=1) for _ in range(width))}
    waiting, results = list(reversed(chosen)), {}
    busy: dict[Any, str] = {}
    for stream, runner in runners.items():
        _hand_out(stream, runner, waiting, busy)
    while busy:
        for stream in select.select(list(busy), [], [], 1.0)[0]:
            line = stream.readline()
            name = busy.pop(stream)
            results[name] = json.loads(line) if line else ["the runner ended"]
            if results[name]:
                print(f"FAIL {name}" + "".join(f"\n     {text}" for text in results[name] if verbose), flush=True)
            if line:
                _hand_out(stream, runners[stream], waiting, busy)
    for runner in runners.values():
        assert runner.stdin
        runner.stdin.close()
        runner.wait()
    return results


def _hand_out(stream: Any, runner: Any, waiting: list[tuple[str, dict[str, Any]]], busy: dict[Any, str]) -> None:
    if waiting:
        kind, case = waiting.pop()
        runner.stdin.write(json.dumps([kind, case]) + "\n")
        busy[stream] = case["name"]


def run(folder: Path) -> int:
    """A runner: plays the cases that come on standard input, one a line, and answers each with its differences."""
    # The whole mail system is imported once; a case's system is a fork of this process.
    import gatepost.service.master.supervisor  # noqa: F401

    base = folder / "base" if (folder / "base" / "main.cf").exists() else OWN / "base"
    home = Path(tempfile.mkdtemp(prefix="golden-home-"))
    home.chmod(0o755)
    enter(base, home)
    from tests.golden.players import play

    stubs = Stubs()
    for line in sys.stdin:
        kind, case = json.loads(line)
        started = time.monotonic()
        try:
            differences = play(kind, case, stubs, base, home)
        except Exception as error:  # one broken case must not end the run: its trace is its difference
            differences = [f"{type(error).__name__}: {error}", traceback.format_exc()[-800:]]
        if time.monotonic() - started > 20:
            differences.append("took more than 20 seconds")
        print(json.dumps(differences), flush=True)
    shutil.rmtree(home, ignore_errors=True)
    return 0


sys.exit(main())
