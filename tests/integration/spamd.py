"""A real spamd on a port of a test's own, with Debian's rules and without the network."""

import contextlib
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.running import free_ports, wait_for

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL" + "*C.34X"


@contextlib.contextmanager
def spamd() -> Iterator[int]:
    """The port at which it listens."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "wb") as log:
        command = ["/usr/sbin/spamd", "-L", "-x", "-u", "nobody", "-i", "127.0.0.1", "-p", str(port), "-m", "2"]
        process = subprocess.Popen([*command, "-s", "stderr"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(lambda: _listens(port), lambda: (Path(folder) / "log").read_text(), 60.0)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False
