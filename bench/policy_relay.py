"""Relaying with a policy: Gatepost with its own restrictions, Debian's Postfix with policy servers, as bench.relay measures them.
Both ask a name server on this machine.

    python -m bench.policy_relay [spf | classic] [--messages N] [--size OCTETS] [--sessions N] [--rounds N]      (as root)

- `spf`: check_spf beside policyd-spf; both ask of HELO and of MAIL FROM, and write Received-SPF;
- `classic`: the restriction list of a classic installation for mail from outside: relaying, an indexed table of HELO names, a DNS
  list that has the client for another reason, SPF, and greylisting of a triplet that is known; beside policyd-spf and postgrey,
  whose CPU counts as Postfix's.
"""

import argparse
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.relay import Figures, Load, medians, row, run
from bench.servers import Server, executable, fresh_directory, gatepost, postfix
from tests.support.name_server import ZoneServer
from tests.support.postgrey import Postgrey

_INSIDE = "BENCH_NAME_SERVER"
_DELAY = 1  # second
# smtp-source says the host's name in HELO; its envelope is that of bench.relay.
_ZONE = """\
example.com TXT v=spf1 mx ip4:127.0.0.0/8 -all
example.com MX 10 mx.example.com
mx.example.com A 192.0.2.1
1.0.0.127.list.test A 127.0.0.2
"""
_POLICYD = "policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf {configuration}\n"
_CONFIGURATION = "debugLevel = 0\nTestOnly = 1\nskip_addresses = 192.168.255.0/24\n"
_SPF = "spf_skip_addresses = 192.168.255.0/24\n"
_GREYLIST = f"greylist_delay = {_DELAY}\ngreylist_whitelist_clients =\ngreylist_whitelist_recipients =\n"
_CLASSIC = """\
smtpd_relay_restrictions =
relay_domains = example.net
smtpd_junk_command_limit = 10000000
smtpd_recipient_restrictions = reject_unauth_destination, check_helo_access hash:{whitelist},
  reject_rbl_client list.test=127.0.0.9, {asked}
"""
_WHITELIST = "".join(f"mail{number}.example.org OK\n" for number in range(200))

Start = Callable[[int], AbstractContextManager[Server]]


class Contest(NamedTuple):
    """How both are started."""

    gatepost: Start
    postfix: Start


def _policyd(folder: Path) -> str:
    configuration = folder / "policyd-spf.conf"
    configuration.write_text(_CONFIGURATION)
    return _POLICYD.format(configuration=configuration)


def _whitelist(folder: Path, *postmap: str) -> Path:
    """An indexed table that this postmap(1) made."""
    folder.mkdir()
    path = folder / "whitelist"
    path.write_text(_WHITELIST)
    subprocess.run([*postmap, f"hash:{path}"], check=True)
    return path


def _greylisted(server: Server) -> None:
    """The triplet comes for the first time, and its delay goes by."""
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.helo(socket.gethostname())
        client.mail("a@example.com")
        code, text = client.rcpt("b@example.net")
    if code != 450:
        raise SystemExit(f"bench: not greylisted: {code} {text!r}")
    time.sleep(_DELAY + 1)


def spf(folder: Path) -> Contest:
    services = _policyd(folder)

    def ours(sink: int) -> AbstractContextManager[Server]:
        return gatepost(sink, more=f"smtpd_recipient_restrictions = check_spf\n{_SPF}")

    def theirs(sink: int) -> AbstractContextManager[Server]:
        more = "smtpd_recipient_restrictions = check_policy_service unix:private/policyd-spf\n"
        return postfix(sink, more=more, services=services)

    return Contest(ours, theirs)


def classic(folder: Path) -> Contest:
    services = _policyd(folder)
    our_list, their_list = _whitelist(folder / "ours", executable(), "postmap"), _whitelist(folder / "theirs", "postmap")

    @contextmanager
    def ours(sink: int) -> Iterator[Server]:
        more = _CLASSIC.format(whitelist=our_list, asked="check_spf, check_greylist") + _SPF + _GREYLIST
        with gatepost(sink, more=more) as server:
            _greylisted(server)
            yield server

    @contextmanager
    def theirs(sink: int) -> Iterator[Server]:
        with Postgrey(f"--delay={_DELAY}", driven=False) as postgrey:
            for path in (postgrey.folder, postgrey.folder / "socket"):
                path.chmod(0o777)
            asked = f"check_policy_service unix:private/policyd-spf, check_policy_service unix:{postgrey.folder}/socket"
            with postfix(sink, more=_CLASSIC.format(whitelist=their_list, asked=asked), services=services) as server:
                _greylisted(server)
                yield server._replace(beside=(postgrey.pid,))

    return Contest(ours, theirs)


_CONTESTS: dict[str, Callable[[Path], Contest]] = {"spf": spf, "classic": classic}


def compare(contest: Contest, load: Load, rounds: int) -> None:
    """Both in turn, so that what else the machine does meets both."""
    runs: dict[str, list[Figures]] = {name: [] for name in Contest._fields}
    for _ in range(rounds):
        for name, start in contest._asdict().items():
            runs[name].append(run(start, load))
    ours, theirs = (medians(figures) for figures in runs.values())
    print(row("gatepost", load, ours, 2))
    print(row("postfix", load, theirs, 2))
    print(row("ratio", load, Figures(*(a / b for a, b in zip(ours, theirs, strict=True))), 2), flush=True)


def inside_zone(script: str) -> None:
    """Go on where the zone is what the DNS says: in the same script, started again."""
    if _INSIDE in os.environ:
        return
    server = ZoneServer(_ZONE)
    command = [*server.prefix, sys.executable, "-m", f"bench.{script}", *sys.argv[1:]]
    status = subprocess.run(command, env={**os.environ, _INSIDE: "yes"}).returncode
    server.close()
    sys.exit(status)


def needed() -> None:
    """Raises SystemExit where Debian's policyd-spf or postgrey is not there."""
    if not (shutil.which("policyd-spf") and shutil.which("postgrey")):
        raise SystemExit("bench: needs Debian's postfix-policyd-spf-python and postgrey")


def main() -> None:
    parser = argparse.ArgumentParser(description="Relay rates with a policy, side by side.")
    parser.add_argument("policy", nargs="?", choices=sorted(_CONTESTS), default="classic")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--size", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    inside_zone("policy_relay")
    needed()
    contest = _CONTESTS[asked.policy](fresh_directory())
    print(f"{'octets':>9}{'sessions':>9}  {'conn':<6} {'':<9}{'accepted/s':>12}{'relayed/s':>12}{'CPU ms/msg':>12}{'PSS MiB':>12}")
    compare(contest, Load(asked.messages, asked.size, asked.sessions, False), asked.rounds)


if __name__ == "__main__":
    main()
