"""Ports of 127.0.0.1 for servers of tests. All test processes of the machine take them in turn, from one count in a file.

Whoever is given a port listens on it a while later. A port that is drawn at random is given to two at times: of 240 that one test
holds ready, one of the next hundred draws of another lane is among them.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PORTS = range(20_000, 32_768)
"""Below those that the system gives to connections (ip_local_port_range(7)), of which one could be in use by the time that somebody
listens on it."""

_COUNT = Path(tempfile.gettempdir()) / f"gatepost-test-ports.{os.getuid()}"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """So many of them. None is given again before all others were."""
    descriptor = os.open(_COUNT, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as count:
        fcntl.flock(count, fcntl.LOCK_EX)
        last = int(count.read() or 0)
        ports = list(_next(last, number))
        count.seek(0)
        count.truncate()
        count.write(str(ports[-1]))
    return ports


def _next(last: int, number: int) -> Iterator[int]:
    """The free ones after `last`, the first after the last of them."""
    for step in range(1, len(_PORTS) + 1):
        port = _PORTS[(last - _PORTS.start + step) % len(_PORTS)]
        if _is_free(port):
            yield port
            number -= 1
        if not number:
            return
    raise AssertionError(f"{number} ports are missing")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
