"""Alias lookups in LDAP beside Postfix's proxymap(8), on one slapd: `python -m bench.ldap_tables [--lookups N] [--clients N ...]`.

Postfix: so many `postmap -q -` at one time, through proxy:ldap: of a running private Postfix, each with keys of its own; each has a
connection to a proxymap process, as smtpd and cleanup have. Ours: one process with one event loop, as a worker is, which asks for
as many keys at one time, once more with `helper_answer_lifetime = 5s`. They take turns, and the best round of each counts. Told are
lookups/s, and CPU a lookup of the asking side (postmap, proxymap and master; our process) and of slapd.
"""

import argparse
import asyncio
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import uvloop
from tests.integration.postfix import Postfix
from tests.integration.slapd import BASE, Attributes, Slapd, person
from tests.support.settings import CONFIGURATION

from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess

_ENTRIES = 20_000
_PROXYMAP = "proxymap unix - - n - - proxymap\n"
_TICK = os.sysconf("SC_CLK_TCK")


def keys(lookups: int, addresses: int) -> list[str]:
    """As mail has them: the address of rank N comes 1/N as often as the first; twice each, for smtpd and cleanup both ask."""
    ranks = range(1, addresses + 1)
    drawn = random.choices(ranks, [1 / rank for rank in ranks], k=lookups // 2)
    return [f"user{rank - 1}@example.com" for rank in drawn for _ in range(2)]


def _person(number: int) -> tuple[str, Attributes]:
    return person(f"user{number}", mailacceptinggeneralid=[f"user{number}@example.com"], maildrop=[f"box{number}@store.test"])


def _cpu(processes: list[int]) -> float:
    """Seconds of processes so far, those of children that have ended among them."""
    total = 0.0
    for pid in processes:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / _TICK
    return total


def _children(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _children(int(child))


def ours(spec: str, asked: list[str], together: int, lifetime: str = "0s") -> None:
    async def play() -> None:
        main = CONFIGURATION.with_settings({"helper_answer_lifetime": lifetime})
        tables = Tables(print, strict=True, access=ServerAccess(lambda: main))
        table = tables.open(spec)
        rest = iter(asked)

        async def one() -> None:
            for key in rest:
                assert await table.lookup(key)

        await asyncio.gather(*(one() for _ in range(together)))
        tables.close()

    uvloop.run(play())


def theirs(postfix: Postfix, spec: str, asked: list[str], together: int) -> None:
    command = ["postmap", "-c", str(postfix.folder / "conf"), "-q", "-", f"proxy:{spec}"]
    started = []
    for number in range(together):
        file = postfix.folder / f"keys{number}"
        file.write_text("\n".join(asked[number::together]) + "\n")
        with file.open() as lines:
            started.append((len(asked[number::together]), subprocess.Popen(command, stdin=lines, stdout=subprocess.PIPE)))
    for wanted, process in started:
        found, _ = process.communicate()
        assert found.count(b"\n") == wanted


def _measure(work: Callable[[], None], lookups: int, asking: Callable[[], float], slapd: Callable[[], float]) -> tuple[float, ...]:
    before = time.perf_counter(), asking(), slapd()
    work()
    after = time.perf_counter(), asking(), slapd()
    passed, own, server = (b - a for a, b in zip(before, after, strict=True))
    return lookups / passed, own / lookups * 1e6, server / lookups * 1e6


def _compare(postfix: Postfix, slapd: Slapd, spec: str, together: int, lookups: int, rounds: int) -> None:
    master = int((postfix.folder / "spool/pid/master.pid").read_text())
    sides: dict[str, tuple[Callable[[list[str]], None], Callable[[], float]]] = {
        "proxymap": (lambda asked: theirs(postfix, spec, asked, together), lambda: _cpu([os.getpid(), *_children(master)])),
        "gatepost": (lambda asked: ours(spec, asked, together), lambda: _cpu([os.getpid()])),
        "5s": (lambda asked: ours(spec, asked, together, "5s"), lambda: _cpu([os.getpid()])),
    }
    best: dict[str, tuple[float, ...]] = {}
    for _ in range(rounds):
        asked = keys(lookups, _ENTRIES)
        for name, (work, cpu) in sides.items():
            found = _measure(partial(work, asked), lookups, cpu, lambda: _cpu([slapd.pid]))
            best[name] = max(best.get(name, (0.0,)), found)
    for name, (rate, own, of_server) in best.items():
        print(f"{together:3} at one time  {name:9} {rate:8.0f}/s  {own:6.1f} us CPU, slapd {of_server:6.1f} us", flush=True)
    ratios = (best[name][0] / best["proxymap"][0] for name in ("gatepost", "5s"))
    print("                 ratios", *(f"{ratio:.2f}" for ratio in ratios), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--lookups", type=int, default=20_000)
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    people = [
        person(f"user{n}", mailacceptinggeneralid=[f"user{n}@example.com"], maildrop=[f"box{n}@store.test"])
        for n in range(_ENTRIES)
    ]
    slapd = Slapd(people, loglevel="none")
    file = slapd.folder / "aliases.cf"
    file.write_text(f"server_host = {slapd.url}\nsearch_base = {BASE}\nversion = 3\nbind = no\n")
    spec = f"ldap:{file}"
    postfix = Postfix(f"virtual_alias_maps = proxy:{spec}\n", _PROXYMAP)
    try:
        for together in asked.clients:
            _compare(postfix, slapd, spec, together, asked.lookups, asked.rounds)
    finally:
        postfix.clean()
        slapd.clean()


if __name__ == "__main__":
    main()
