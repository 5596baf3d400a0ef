"""Gatepost and Debian's Postfix side by side: each in a directory of its own, with the same main.cf and master.cf, and what
their processes cost. Needs root. /etc/postfix is never touched."""

import atexit
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.postfix import SERVICES

_TICKS = os.sysconf("SC_CLK_TCK")
_OWNER = "postfix"
_PATIENCE = 30.0  # seconds
_STALLED = 60.0  # seconds without one message more
_NOWHERE = 9  # the port of a relay host that is never asked

_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {directory}/spool
data_directory = {directory}/data
maillog_file = {directory}/mail.log
maillog_file_prefixes = {directory}
mail_owner = {owner}
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.net
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
disable_dns_lookups = yes
in_flow_delay = 0
biff = no
message_size_limit = 52428800
relayhost = [127.0.0.1]:{sink}
{more}
"""

_MASTER_CF = (
    """\
127.0.0.1:{port} inet n - n - {limit} smtpd
"""
    + SERVICES
)


class Server(NamedTuple):
    """A running mail system: `pid` of its first process, where it listens on 127.0.0.1, and the processes `beside` it that do part
    of its work."""

    pid: int
    port: int
    beside: tuple[int, ...] = ()

    def cpu(self) -> float:
        """Seconds of CPU that all of it has used."""
        return sum(cpu(pid) for pid in (self.pid, *self.beside))

    def memory(self) -> float:
        """PSS of all of it in MiB."""
        return sum(memory(pid) for pid in (self.pid, *self.beside))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_port(port: int) -> None:
    """Return once something listens. Raises SystemExit after `_PATIENCE`."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"bench: nothing listens on port {port}")


def executable() -> str:
    """The gatepost that is measured: `GATEPOST`, else the one beside this Python."""
    return os.environ.get("GATEPOST") or str(Path(sys.executable).with_name("gatepost"))


@contextmanager
def gatepost(sink: int = _NOWHERE, *, limit: str = "-", more: str = "") -> Iterator[Server]:
    """Gatepost that relays to `sink`."""
    directory, port = _directory(sink, limit, more)
    output = (directory / "output").open("wb")
    process = subprocess.Popen(
        [executable(), "-c", str(directory / "conf"), "start", "--foreground"], stdout=output, stderr=subprocess.STDOUT
    )
    try:
        wait_port(port)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait(_PATIENCE)
        output.close()


@contextmanager
def postfix(sink: int = _NOWHERE, *, limit: str = "-", more: str = "", services: str = "") -> Iterator[Server]:
    """Debian's Postfix that relays to `sink`. `services`: more lines of master.cf."""
    directory, port = _directory(sink, limit, more)
    with (directory / "conf/master.cf").open("a") as master:
        master.write(services)
    command = ["postfix", "-c", str(directory / "conf")]
    subprocess.run([*command, "start"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        yield Server(int((directory / "spool/pid/master.pid").read_text()), port)
    finally:
        subprocess.run([*command, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _directory(sink: int, limit: str, more: str) -> tuple[Path, int]:
    if os.geteuid() != 0 or shutil.which("postfix") is None:
        raise SystemExit("bench: needs root, and Debian's postfix installed")
    directory, port = fresh_directory(), free_port()
    for name in ("conf", "spool", "data"):
        (directory / name).mkdir()
    shutil.chown(directory / "data", _OWNER)
    main = _MAIN_CF.format(directory=directory, owner=_OWNER, sink=sink, more=more)
    (directory / "conf/main.cf").write_text(main)
    (directory / "conf/master.cf").write_text(_MASTER_CF.format(port=port, limit=limit))
    return directory, port


def fresh_directory() -> Path:
    """A directory of a run. It goes when the last run is over: for minutes after many files are removed, ext4 is slow to find
    an inode for a new one, and the next run would pay for it."""
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    directory.chmod(0o755)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def arrived(count: Callable[[], int], wanted: int) -> float:
    """When `wanted` messages were there (time.perf_counter). Raises SystemExit where they do not come."""
    last, moved = -1, time.perf_counter()
    while (there := count()) < wanted:
        now = time.perf_counter()
        if there != last:
            last, moved = there, now
        elif now - moved > _STALLED:
            raise SystemExit(f"bench: {there} of {wanted} messages arrived")
        time.sleep(0.02)
    return time.perf_counter()


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for process in _processes():
        children.setdefault(int(_stat(process)[1]), []).append(process)
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu(pid: int) -> float:
    """Seconds of CPU that the tree of `pid` has used, processes that it has reaped included."""
    return sum(sum(map(int, _stat(process)[11:15])) for process in tree(pid)) / _TICKS


def memory(pid: int) -> float:
    """PSS of the tree of `pid` in MiB: shared pages count once."""
    total = 0
    for process in tree(pid):
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:  # it has ended meanwhile
            continue
        found = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
        total += int(found[1]) if found else 0
    return total / 1024


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (proc(5)); zeros for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ["0"] * 50
