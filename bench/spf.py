"""What an SPF result costs in CPU with answers of the DNS at hand, pyspf's beside it: microseconds a message, best of several runs.

    python -m bench.spf [MESSAGES]

HELO and MAIL FROM are asked, as policyd-spf asks them. `evaluation` is the plan alone, `message` all that check_spf does: lists,
the worker's resolver with its cache, the ruling and the header. pyspf (Debian's python3-spf) is given its answers by a table.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from tests.support.settings import default
from tests.support.spf import Zone, run

from gatepost.identity.spf.check import Checker, Client, Lists
from gatepost.identity.spf.evaluation import check_host
from gatepost.identity.spf.port import Case
from gatepost.identity.spf.ruling import headers, rule
from gatepost.identity.spf.settings import SpfSettings
from gatepost.lookup.registry import Tables
from gatepost.net.dns import AresResolver, _Entry
from gatepost.net.port import MX

ZONE = {
    "short.test": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}],
    "usual.test": [
        {"TXT": "v=spf1 mx a include:one.test include:two.test ~all"},
        {"MX": [10, "mx.usual.test"]},
        {"A": "198.51.100.9"},
    ],
    "mx.usual.test": [{"A": "198.51.100.8"}],
    "one.test": [{"TXT": "v=spf1 " + " ".join(f"ip4:203.0.113.{n}" for n in range(20)) + " ?all"}],
    "two.test": [{"TXT": "v=spf1 include:three.test -all"}],
    "three.test": [{"TXT": "v=spf1 " + " ".join(f"ip4:198.51.{n}.0/24" for n in range(90, 99)) + " ip4:192.0.2.1 ~all"}],
    "macro.test": [{"TXT": "v=spf1 exists:%{ir}.%{l1r-}.%{d2}.ok.test -all"}],
    "1.2.0.192.bob.macro.test.ok.test": [{"A": "127.0.0.2"}],
    "helo.test": [{"TXT": "v=spf1 a -all"}, {"A": "192.0.2.1"}],
}
CASES = ("short", "usual", "macro")
_ADDRESS = "192.0.2.1"
_RUNS = 5

_PYSPF = """
import json, sys, time, spf
zone, senders, count, runs = json.load(sys.stdin)
def lookup(name, qtype, strict=True, timeout=None):
    found = []
    for entry in zone.get(name.lower(), ()):
        for kind, data in entry.items():
            if kind == qtype:
                data = (data.encode(),) if kind == "TXT" else tuple(data) if kind == "MX" else data
                found.append(((name, kind), data))
    return found
spf.DNSLookup = lookup
for sender in senders:
    best = 1e9
    for _ in range(runs):
        begun = time.process_time()
        for _ in range(count):
            spf.query(i="192.0.2.1", s="postmaster@helo.test", h="helo.test").check()
            result = spf.query(i="192.0.2.1", s=sender, h="helo.test").check()[0]
        best = min(best, (time.process_time() - begun) / count)
    print(result, best * 1e6)
"""


def cached() -> AresResolver:
    """A worker's resolver that has just asked for all of the zone."""
    resolver = AresResolver(lambda: 0.0)
    for name, entries in ZONE.items():
        by_type: dict[str, list[object]] = {}
        for entry in entries:
            for record, data in entry.items():
                by_type.setdefault(record, []).append(MX(*data) if isinstance(data, list) else data)
        for record, values in by_type.items():
            resolver._cache[name, record] = _Entry(1e9, tuple(values))
    return resolver


def best(work: Callable[[], object], count: int) -> float:
    """Microseconds of CPU for one of `count` that `work` does."""
    taken = []
    for _ in range(_RUNS):
        begun = time.process_time()
        work()
        taken.append((time.process_time() - begun) / count * 1e6)
    return min(taken)


def evaluation(sender: str, count: int) -> float:
    zone = Zone(ZONE)

    def work() -> None:
        for _ in range(count):
            for one, domain in (("postmaster@helo.test", "helo.test"), (sender, sender.partition("@")[2])):
                run(check_host(Case(address=_ADDRESS, domain=domain, sender=one, helo="helo.test")), zone)
            zone.asked.clear()

    return best(work, count)


def message(sender: str, count: int) -> tuple[str, float]:
    settings = default(SpfSettings)
    lists = Lists.opened(settings, Tables(lambda text: None))
    results: list[str] = []

    async def all_of_them() -> None:
        dns = cached()
        checker = Checker(settings, lists, lambda client: dns, time.time)
        for _ in range(count):
            finding = await checker.find(Client(_ADDRESS, "unknown", "helo.test", sender))
            await rule(finding, settings, lists)
            headers(finding, settings)
        assert finding.mail_from is not None
        results.append(finding.mail_from.result)

    taken = best(lambda: asyncio.run(all_of_them()), count)
    return results[0], taken


def pyspf(senders: list[str], count: int) -> Mapping[str, tuple[str, float]]:
    done = subprocess.run(
        ["/usr/bin/python3", "-c", _PYSPF],
        input=json.dumps([ZONE, senders, count, _RUNS]),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.split() for line in done.stdout.splitlines())
    return {sender: (result, float(taken)) for sender, (result, taken) in zip(senders, lines, strict=True)}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    senders = [f"bob@{name}.test" for name in CASES]
    theirs = pyspf(senders, count)
    print(f"{'policy':<8}{'result':<8}{'evaluation':>12}{'message':>10}{'pyspf':>10}")
    for name, sender in zip(CASES, senders, strict=True):
        result, taken = message(sender, count)
        said, their = theirs[sender]
        assert said == result, (said, result)
        print(f"{name:<8}{result:<8}{evaluation(sender, count):>9.0f} µs{taken:>7.0f} µs{their:>7.0f} µs")


if __name__ == "__main__":
    main()
