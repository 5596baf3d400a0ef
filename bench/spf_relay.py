"""Relaying with SPF: Gatepost with check_spf, Debian's Postfix with policyd-spf, as bench.relay measures them. Both ask a name
server on this machine of HELO and of MAIL FROM, and write Received-SPF.

    python -m bench.spf_relay [--messages N] [--size OCTETS] [--sessions N] [--rounds N]      (as root)
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from bench.relay import Figures, Load, medians, row, run
from bench.servers import Server, gatepost, postfix
from tests.support.name_server import ZoneServer

_INSIDE = "BENCH_NAME_SERVER"
# smtp-source says the host's name in HELO; its envelope is that of bench.relay.
_ZONE = "example.com TXT v=spf1 mx ip4:127.0.0.0/8 -all\nexample.com MX 10 mx.example.com\nmx.example.com A 192.0.2.1\n"
_OURS = "smtpd_recipient_restrictions = check_spf\nspf_skip_addresses = 192.168.255.0/24\n"
_THEIRS = "smtpd_recipient_restrictions = check_policy_service unix:private/policyd-spf\n"
_POLICYD = "policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf {configuration}\n"
_CONFIGURATION = "debugLevel = 0\nTestOnly = 1\nskip_addresses = 192.168.255.0/24\n"

Start = Callable[[int], AbstractContextManager[Server]]


def compare(starts: dict[str, Start], load: Load, rounds: int) -> None:
    runs: dict[str, list[Figures]] = {name: [] for name in starts}
    for _ in range(rounds):
        for name, start in starts.items():
            runs[name].append(run(start, load))
    for name, figures in runs.items():
        print(row(name, load, medians(figures), 2), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Relay rates with SPF, side by side.")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--size", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    folder = os.environ.get(_INSIDE)
    if folder is None:
        server = ZoneServer(_ZONE)
        command = [*server.prefix, sys.executable, "-m", "bench.spf_relay", *sys.argv[1:]]
        status = subprocess.run(command, env={**os.environ, _INSIDE: str(server.folder)}).returncode
        server.close()
        sys.exit(status)
    configuration = Path(folder) / "policyd-spf.conf"
    configuration.write_text(_CONFIGURATION)
    starts: dict[str, Start] = {
        "gatepost": partial(gatepost, more=_OURS),
        "postfix": partial(postfix, more=_THEIRS, services=_POLICYD.format(configuration=configuration)),
    }
    print(f"{'octets':>9}{'sessions':>9}  {'conn':<6} {'':<9}{'accepted/s':>12}{'relayed/s':>12}{'CPU ms/msg':>12}{'PSS MiB':>12}")
    compare(starts, Load(asked.messages, asked.size, asked.sessions, False), asked.rounds)


if __name__ == "__main__":
    main()
