"""What all workers share: client counts and rates (anvil(8)), and keys with values that last."""

import enum
import math
import string
from collections.abc import AsyncIterator
from typing import Final, Protocol

from msgspec import Struct


class Rate(enum.StrEnum):
    """What is counted per `anvil_rate_time_unit`."""

    CONNECTION = "connection"
    MESSAGE = "message"
    RECIPIENT = "recipient"
    TLS_SESSION = "new TLS session"
    AUTH = "AUTH command"


class Counters(Protocol):
    """Counts by (service, client address). All methods are quick; an implementation that cannot answer counts nothing."""

    async def connect(self, service: str, client: str) -> tuple[int, int]:
        """One more connection: (connections held now, connections in this time unit)."""
        ...

    def disconnect(self, service: str, client: str) -> None:
        """One connection less."""
        ...

    async def count(self, rate: Rate, service: str, client: str) -> int:
        """One more of these: how many in this time unit."""
        ...

    def tally(self, service: str, own: int) -> int:
        """This worker has `own` clients of a service, whoever they are: how many all workers have. Where that cannot be counted at
        the moment, `own`."""
        ...


NEVER: Final = math.inf
"""`expires` of what stays until it is deleted."""

ABSENT: Final = 0
"""The revision of a key that is not there."""

LONGEST_VALUE: Final = 65536
"""Octets of a value, at most."""

_IN_NAMES: Final = frozenset(string.ascii_lowercase + string.digits + "_")


class MayLose(enum.Enum):
    """What a power cut may take of what was stored. A process that is killed takes nothing either way."""

    NOTHING = "nothing"
    LAST_SECOND = "the last second"


class Space(Struct, frozen=True):
    """Keys of one purpose. Raises ValueError for another name.

    - `name`: lower-case letters, digits and underscores;
    - `may_lose`: what a power cut may take.
    """

    name: str
    may_lose: MayLose = MayLose.LAST_SECOND

    def __post_init__(self) -> None:
        if not self.name or not _IN_NAMES.issuperset(self.name):
            raise ValueError(f"{self.name!r} is no name of a space")


class Entry(Struct, frozen=True):
    """What a key has.

    - `revision`: grows with each change of any key;
    - `expires`: seconds since 1970.
    """

    value: bytes
    revision: int
    expires: float = NEVER


class StateUnavailable(Exception):
    """The store cannot answer or take this now, for the reason in the text, which the log has, too. Whether a change was made is
    then unknown. Who asked has a failure action of its own."""


class StateStore(Protocol):
    """Keys with values and expiry, the same for all workers, lasting over restarts.

    Keys are octets of any length. What has expired is not there. Each change is one of its own: there is none of several keys
    together. All of them may raise StateUnavailable, and those that store a value ValueError for one that cannot be (`check`)."""

    async def get(self, space: Space, key: bytes) -> Entry | None:
        """What the key has now."""
        ...

    async def put(self, space: Space, key: bytes, value: bytes, expires: float = NEVER) -> int:
        """Give the key a value, whatever it had: its revision. When this returns, all workers see it, and a power cut takes no more
        than the space may lose."""
        ...

    async def compare_and_set(self, space: Space, key: bytes, value: bytes, revision: int, expires: float = NEVER) -> int | None:
        """The same, if the key still has that revision (ABSENT: if it is not there); None where it has not.

        Of many who claim a key that is ABSENT one gets it, whatever worker it is in, until the claim expires: what only one is to
        do at a time is claimed so. For values that depend on those before there is state.update."""
        ...

    async def delete(self, space: Space, key: bytes, revision: int | None = None) -> bool:
        """Take the key away, if it has that revision or none was named; whether it was there and is gone."""
        ...

    async def close(self) -> None:
        """Make what was asked for, and answer no more."""
        ...

    def iterate(self, space: Space, prefix: bytes = b"") -> AsyncIterator[tuple[bytes, Entry]]:
        """The keys that begin with `prefix`, in order. What changes meanwhile is seen or not."""
        ...


def check(value: bytes, expires: float) -> float:
    """`expires` as it is stored. Raises ValueError where a value or a time cannot be stored: it would cost the other changes of its
    transaction, or look like damage when it is read."""
    if not isinstance(value, bytes):
        raise ValueError(f"a value is octets, not {type(value).__name__}")
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"a value of {len(value)} octets; {LONGEST_VALUE} at most")
    if math.isnan(expires):
        raise ValueError("a time to expire that is no number")
    return float(expires)
