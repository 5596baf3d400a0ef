"""The system's hosts file (hosts(5)): names to addresses and back."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gatepost.mail.ascii_text import spaced_words

PATH = Path("/etc/hosts")
_LOOK = 1.0  # seconds between looks whether the file has changed: every connection asks


class HostsFile:
    """What the file says; read when first asked, and again after it has changed."""

    def __init__(self, path: Path = PATH, now: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._now = now
        self._look_at = 0.0
        self._read_at = -1
        self._addresses: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """Addresses of a host name."""
        self._refresh()
        return tuple(self._addresses.get(name.lower().rstrip("."), ()))

    def names(self, address: str) -> tuple[str, ...]:
        """Names of an address, the first one being its own."""
        self._refresh()
        return tuple(self._names.get(address, ()))

    def _refresh(self) -> None:
        now = self._now()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK
        try:
            changed = os.stat(self._path).st_mtime_ns
            if changed == self._read_at:
                return
            text = self._path.read_bytes()
        except OSError:
            changed, text = 0, b""
        self._read_at = changed
        self._addresses, self._names = {}, {}
        for address, names in entries(text):
            for name in names:
                self._addresses.setdefault(name.lower().rstrip("."), []).append(address)
                self._names.setdefault(address, []).append(name)


def entries(text: bytes) -> Iterator[tuple[str, list[str]]]:
    """Addresses, in their usual form, and their names. As in the system's own reader, a line whose first word is no address says
    nothing, and nothing but a line feed ends a line."""
    for line in text.decode("ascii", "replace").split("\n"):
        written, *names = spaced_words(line.partition("#")[0]) or ("",)
        address = _address(written)
        if address is not None:
            yield address, names


def _address(written: str) -> str | None:
    family = socket.AF_INET6 if ":" in written else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, written))
    except (OSError, ValueError):
        return None
