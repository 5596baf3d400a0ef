"""What postgrey's database says, as records of ours. Keys are ours, too; values are two numbers, `first,last` and `count,last`."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from gatepost.policy.greylist.attempt import client_address, client_key, stored
from gatepost.policy.greylist.records import Client, Triplet
from gatepost.policy.greylist.settings import GreylistSettings

TRIPLET_FILE: Final = "postgrey.db"
CLIENT_FILE: Final = "postgrey_clients.db"

_VALUE: Final = re.compile(rb"(\d{1,12}),(\d{1,12})\0?\Z")
_DAY: Final = 86400.0  # that clocks may differ
_DIGEST: Final = re.compile(rb"[0-9a-f]{40}\0?\Z")


class Unusable(Exception):
    """An entry is none of postgrey's, or is hashed where we do not."""


def triplets(
    pairs: Iterable[tuple[bytes, bytes]], settings: GreylistSettings, now: float
) -> Iterator[tuple[bytes, Triplet] | Unusable]:
    """(key, record) of each entry of postgrey.db. `now`: seconds since 1970."""
    for key, value in pairs:
        try:
            first, last = _numbers(value)
            _check_past(max(first, last), now)
            if not _DIGEST.match(key) and key.count(b"/") < 2:
                raise Unusable("no triplet")
            passed = first + int(settings.greylist_delay) if last - first >= settings.greylist_delay else 0
            yield _key(key, settings), Triplet(first, last, passed, attempts=1 + (last > first))
        except Unusable as why:
            yield why


def clients(
    pairs: Iterable[tuple[bytes, bytes]], settings: GreylistSettings, now: float
) -> Iterator[tuple[bytes, Client] | Unusable]:
    """(key, record) of each entry of postgrey_clients.db. `now`: seconds since 1970."""
    for key, value in pairs:
        try:
            count, last = _numbers(value)
            _check_past(last, now)
            address = client_address(key.rstrip(b"\0").decode("ascii", "replace"))
            if address is None and not _DIGEST.match(key):
                raise Unusable("no address")
            yield _key(key if address is None else client_key(address), settings), Client(min(count, 1 << 20), last)
        except Unusable as why:
            yield why


def _numbers(value: bytes) -> tuple[int, int]:
    found = _VALUE.match(value)
    if not found:
        raise Unusable("no two numbers")
    return int(found[1]), int(found[2])


def _check_past(when: int, now: float) -> None:
    """What is dated from times to come would be known until then. Raises Unusable."""
    if when > now + _DAY:
        raise Unusable("of a time to come")


def _key(key: bytes, settings: GreylistSettings) -> bytes:
    """The key as we store it; both databases end theirs with a NUL where C wrote them."""
    key = key.rstrip(b"\0")
    if not _DIGEST.match(key):
        return stored(key.lower(), settings)
    if not settings.greylist_privacy:
        raise Unusable("hashed: set greylist_privacy = yes first")
    return key
