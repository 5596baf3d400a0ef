"""When to ask for a certificate: what was tried before, and how long to wait after it failed. Pure: time and chance are given."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from gatepost.acme.certificate import Certificate

_FIRST, _LONGEST = 600.0, 43200.0
"""Seconds to wait after the first failure, and at most; each failure doubles it. Authorities refuse whoever fails five times an
hour. The first also follows a success: where a clock is fast by months, what has just come is due already."""
_JITTER: Final = 0.2  # of the wait, by which it may be longer
_MOST_FAILURES: Final = 1000
_END_OF_DATES: Final = 253402300800  # the year 10000


class Attempts(Struct, frozen=True):
    """What is remembered of attempts, over restarts.

    - `request`: what was asked for, and how (a digest of the settings): others may succeed where these failed;
    - `failures`: those in a row;
    - `next`: not before this time, seconds since 1970;
    - `error`: why the last one failed, empty where it did not;
    - `directory`: the URL of the authority that gave the certificate there is.
    """

    request: str = ""
    failures: Annotated[int, Meta(ge=0, le=_MOST_FAILURES)] = 0
    next: Annotated[float, Meta(ge=0, lt=_END_OF_DATES)] = 0.0
    error: str = ""
    directory: str = ""


def failed(before: Attempts, request: str, error: str, now: float, chance: float, wait: float = 0.0) -> Attempts:
    """After an attempt that failed. `chance`: from 0 to below 1; `wait`: seconds that the authority asks for."""
    failures = min(before.failures + 1, _MOST_FAILURES) if before.request == request else 1
    pause = min(_FIRST * 2 ** min(failures - 1, 30), _LONGEST) * (1 + _JITTER * chance)
    return Attempts(request, failures, now + max(pause, wait), error, before.directory)


def succeeded(request: str, directory: str, now: float) -> Attempts:
    """After one that brought a certificate."""
    return Attempts(request, next=now + _FIRST, directory=directory)


def next_attempt(
    certificate: Certificate | None, attempts: Attempts, request: str, directory: str, domains: Sequence[str], now: float
) -> float:
    """When to try, seconds since 1970: no later than `now` means now. A clock that was wrong does not make anybody wait longer than
    a failure does."""
    fits = certificate is not None and attempts.directory in ("", directory) and certificate.domains >= {*domains}
    due = certificate.renewal() if fits and certificate is not None else 0.0
    if attempts.request == request and attempts.next < now + 3 * _LONGEST:
        return max(due, attempts.next)
    return due
