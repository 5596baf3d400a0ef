"""smtp-source -> virtual(8) Maildirs, or Dovecot by LMTP, Gatepost and Debian's Postfix in turn: medians, and their ratios.

python -m bench.delivery [--messages N] [--size OCTETS] [--sessions N] [--mailboxes N,...] [--rounds N] [maildir|lmtp ...]

Needs root, Debian's postfix, and dovecot for lmtp; neither /etc/postfix nor /etc/dovecot is touched.
"""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.servers import Server, arrived, cpu, fresh_directory, gatepost, memory, postfix

_USER = 5555  # uid and gid of all mailboxes; nobody's account
_PATIENCE = 30.0  # seconds for Dovecot to start
_DOMAIN = "virtual_mailbox_domains = example.org\n"
_MAIN_CF = {
    "maildir": """\
virtual_mailbox_limit = 0
virtual_mailbox_base = {base}
virtual_mailbox_maps = texthash:{place}/mailboxes
virtual_uid_maps = static:{user}
virtual_gid_maps = static:{user}
""",
    "lmtp": """\
lmtp_destination_concurrency_limit = 20
virtual_transport = lmtp:unix:{place}/lmtp
""",
}
_DOVECOT_CONF = """\
base_dir = {place}/run
state_dir = {place}/run
log_path = {place}/dovecot.log
protocols = lmtp
ssl = no
listen = 127.0.0.1
mail_location = maildir:~/Maildir
first_valid_uid = 100
auth_username_format = %n
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={base}/%n allow_all_users=yes
}}
service lmtp {{
  unix_listener {place}/lmtp {{
    mode = 0666
  }}
}}
"""


class Load(NamedTuple):
    """What smtp-source sends: `messages` of `size` octets in `sessions` at a time, to each of `mailboxes` as many."""

    messages: int
    size: int
    sessions: int
    mailboxes: int


class Figures(NamedTuple):
    """One run: messages a second accepted, and through to the mailboxes; CPU milliseconds a message of the mail system and of
    Dovecot; MiB of the mail system right after the load."""

    accepted: float
    delivered: float
    cpu: float
    dovecot: float
    memory: float


class Place(NamedTuple):
    """Where the mailboxes are: `more` is the main.cf that delivers there; `dovecot` its process, 0 where there is none."""

    base: Path
    more: str
    dovecot: int

    def count(self) -> int:
        """Messages delivered so far."""
        return sum(len(os.listdir(folder)) for folder in self.base.glob("*/Maildir/new"))


@contextmanager
def place(way: str, mailboxes: int) -> Iterator[Place]:
    """Empty mailboxes, and Dovecot where it is to fill them."""
    directory = fresh_directory()
    base = directory / "mail"
    base.mkdir()
    os.chown(base, _USER, _USER)
    (directory / "mailboxes").write_text("".join(f"u{n}@example.org u{n}/Maildir/\n" for n in range(mailboxes)))
    names = {"place": directory, "base": base, "user": _USER}
    more = _DOMAIN + _MAIN_CF[way].format(**names)
    if way == "maildir":
        yield Place(base, more, 0)
        return
    (directory / "dovecot.conf").write_text(_DOVECOT_CONF.format(**names))
    with _dovecot(directory) as pid:
        yield Place(base, more, pid)


@contextmanager
def _dovecot(directory: Path) -> Iterator[int]:
    (directory / "run").mkdir()
    process = subprocess.Popen(["dovecot", "-F", "-c", str(directory / "dovecot.conf")])
    try:
        end = time.monotonic() + _PATIENCE
        while not (directory / "lmtp").exists():
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit("bench: dovecot does not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def send(to: str, load: Load, options: Sequence[str] = ()) -> None:
    """One smtp-source for each mailbox."""
    share = ["-s", str(load.sessions // load.mailboxes), "-m", str(load.messages // load.mailboxes), "-l", str(load.size)]
    sources = [
        subprocess.Popen(["smtp-source", *options, *share, "-f", "a@example.com", "-t", f"u{n}@example.org", to])
        for n in range(load.mailboxes)
    ]
    codes = [source.wait() for source in sources]
    if any(codes):
        raise SystemExit("bench: smtp-source failed")


def run(start: Callable[..., AbstractContextManager[Server]], way: str, load: Load) -> Figures:
    """One server, from a cold start."""
    with place(way, load.mailboxes) as target, start(more=target.more) as server:
        return measured(f"127.0.0.1:{server.port}", load, target, server.pid)


def alone(way: str, load: Load) -> Figures:
    """Dovecot and no mail system in front of it: faster than this no mail system can be."""
    with place(way, load.mailboxes) as target:
        return measured(f"unix:{target.base.parent}/lmtp", load, target, 0, ("-L", "-d"))


def measured(to: str, load: Load, target: Place, pid: int, options: Sequence[str] = ()) -> Figures:
    """What listens at `to`, warmed up and loaded. `pid` of the mail system, 0 where there is none."""
    warm = load._replace(messages=min(200, load.messages))
    send(to, warm, options)
    arrived(target.count, warm.messages)
    time.sleep(0.5)
    used, began = _used(pid, target), time.perf_counter()
    send(to, load, options)
    accepted = time.perf_counter() - began
    held = memory(pid) if pid else 0.0
    delivered = arrived(target.count, warm.messages + load.messages) - began
    time.sleep(0.5)  # what is done after the last delivery counts as well
    ours, dovecot = ((after - before) / load.messages * 1000 for before, after in zip(used, _used(pid, target), strict=True))
    return Figures(load.messages / accepted, load.messages / delivered, ours, dovecot, held)


def _used(pid: int, target: Place) -> tuple[float, float]:
    """Seconds of CPU: the mail system, Dovecot."""
    return cpu(pid) if pid else 0.0, cpu(target.dovecot) if target.dovecot else 0.0


def medians(runs: list[Figures]) -> Figures:
    return Figures(*map(statistics.median, zip(*runs, strict=True)))


def row(way: str, load: Load, name: str, figures: Figures) -> str:
    return f"{way:<8}{load.mailboxes:>9}  {name:<9}" + "".join(f"{value:13.2f}" for value in figures)


def compare(way: str, load: Load, rounds: int) -> None:
    """Both servers in turn, so that what else the machine does meets both."""
    runs: dict[str, list[Figures]] = {"gatepost": [], "postfix": [], "dovecot": []}
    for _ in range(rounds):
        runs["gatepost"].append(run(gatepost, way, load))
        runs["postfix"].append(run(postfix, way, load))
        if way == "lmtp":
            runs["dovecot"].append(alone(way, load))
    ours, theirs = medians(runs["gatepost"]), medians(runs["postfix"])
    print(row(way, load, "gatepost", ours))
    print(row(way, load, "postfix", theirs))
    if way == "lmtp":
        print(row(way, load, "(alone)", medians(runs["dovecot"])))
    print(row(way, load, "ratio", Figures(*(a / b if b else 0.0 for a, b in zip(ours, theirs, strict=True)))), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Delivery rates of Gatepost and Postfix, side by side.")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--size", type=int, default=5000, metavar="OCTETS")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--mailboxes", type=lambda text: [int(word) for word in text.split(",")], default=[1, 10], metavar="N,...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("way", nargs="*", help="maildir, lmtp; both where none is named")
    asked = parser.parse_args()
    if unknown := set(asked.way) - set(_MAIN_CF):
        parser.error(f"no such way: {', '.join(sorted(unknown))}")
    columns = ("accepted/s", "delivered/s", "CPU ms/msg", "Dovecot ms", "PSS MiB")
    print(f"{'way':<8}{'mailboxes':>9}  {'':<9}" + "".join(f"{title:>13}" for title in columns))
    for way in asked.way or _MAIN_CF:
        for mailboxes in asked.mailboxes:
            messages = asked.messages // mailboxes * mailboxes
            compare(way, Load(messages, asked.size, asked.sessions, mailboxes), asked.rounds)


if __name__ == "__main__":
    main()
