"""What all workers know of guessed passwords, in memory that they share from a fork on; nothing of it is kept over a restart.

Three tables, so that nobody who fills one makes another forget: how many wrong passwords a name has had, which these were, and from
where a user has logged in.
"""

import hashlib
import os
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gatepost.state.client_table import ClientTable
from gatepost.state.tally import Tally

_FAMILIAR: Final = 30 * 86400.0
"""Seconds that a network from which somebody has logged in is remembered."""


class GuessTables:
    """To be made before the fork of those who share it. `key`: makes digests of passwords that nobody can try elsewhere."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self.key = random(32)
        self.counts, self.seen, self.familiar = (ClientTable(0) for _ in range(3))


class Guesses(Struct, frozen=True):
    """The tables as a service uses them. `counts`: by any name; `seen`: by `digest`; `familiar`: by user and network."""

    key: bytes
    counts: Tally
    seen: Tally
    familiar: Tally

    def __repr__(self) -> str:
        return "Guesses()"

    def digest(self, user: str, password: bytes) -> str:
        """What stands for a password of a user."""
        name = user.encode("utf-8", "surrogateescape")
        told = len(name).to_bytes(8, "big") + name + password
        return hashlib.blake2b(told, key=self.key, digest_size=32).hexdigest()


def guesses(tables: GuessTables, time_unit: float, clock: Callable[[], float]) -> Guesses:
    """`time_unit`: seconds that a wrong password counts; `clock`: seconds that all processes share."""
    return Guesses(
        tables.key,
        Tally(tables.counts, time_unit, clock),
        Tally(tables.seen, time_unit, clock),
        Tally(tables.familiar, _FAMILIAR, clock),
    )
