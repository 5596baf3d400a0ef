"""What is asked of virus scanners, and what they can answer."""

import enum
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct


class Unscanned(enum.Enum):
    """What becomes of mail that no scanner has looked at: filter_virus_unavailable, filter_virus_too_large. `wait` is none of them:
    it is over when the scan ends, and the mail is deferred."""

    DEFER = "defer"
    PASS_MARKED = "pass-marked"
    REJECT = "reject"


class Clean(Struct, frozen=True):
    """A scanner has looked at all of it, and found nothing. `scanner`: its name and version, for headers."""

    scanner: str = ""


class Infected(Struct, frozen=True):
    """`names`: of what was found, each once, printable ASCII; at least one."""

    names: tuple[str, ...]
    scanner: str = ""


class NotScanned(Struct, frozen=True):
    """Nobody knows. `action`: what the configuration wants then. `why`: for the log, without addresses of strangers."""

    action: Unscanned
    why: str


VirusScan = Clean | Infected | NotScanned
"""What came of a scan; never an exception but for the message that cannot be read."""

Octets = Callable[[], Iterator[bytes]]
"""The message in wire form from its first header on, in pieces; again from the beginning at each call. Raises OSError."""


class Antivirus(Protocol):
    """The virus scanners of the configuration."""

    async def scan(self, message: Octets, size: int, owner: str = "") -> VirusScan:
        """What a message is. `size`: its octets; `owner`: for whom the work is (an IP address), so that nobody takes all
        connections. Takes filter_virus_time_limit at most. Raises OSError where the message cannot be read."""
        ...

    async def scan_pieces(self, pieces: tuple[bytes, ...], owner: str = "") -> VirusScan:
        """The same of what the archive room found that clamd does not unpack itself (`ArchiveFacts.to_scan`)."""
        ...
