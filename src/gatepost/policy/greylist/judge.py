"""The decision: of what is known and the time, what becomes of an attempt, and what is to be known from now on. Pure."""

import enum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.policy.greylist.records import FOREVER, Client, Triplet
from gatepost.policy.greylist.settings import GreylistSettings

HOUR: Final = 3600
"""Seconds: one success of a client an hour counts; and the last time of what is known is written down as often."""
_MINUTE: Final = 60  # early attempts are written down as often, so that who hammers does not make us write


class Ground(enum.StrEnum):
    """Why an attempt was let in or put off, in the words of postgrey's log."""

    NEW = "new"
    EARLY = "early-retry"
    TRIPLET = "triplet found"
    CLIENT = "client AWL"
    LISTED_CLIENT = "client whitelist"
    LISTED_RECIPIENT = "recipient whitelist"
    NO_ADDRESS = "no client address"


class Judgement(Struct, frozen=True):
    """What becomes of an attempt.

    - `left`: seconds until it would be let in; 0: it is.
    - `waited`: seconds that it had to wait, where it is let in for the first time.
    - `triplet`, `client`: what is to be stored; None: as it is.
    """

    ground: Ground
    left: int = 0
    waited: int = 0
    triplet: Triplet | None = None
    client: Client | None = None


def judge(settings: GreylistSettings, triplet: Triplet | None, client: Client | None, now: int) -> Judgement:
    """The decision about an attempt at `now`, seconds since 1970, whose triplet and client were seen before, or not (None)."""
    needed = settings.greylist_auto_whitelist_clients
    if client is not None and (client.count >= FOREVER or 0 < needed <= client.count):
        return Judgement(Ground.CLIENT, client=_counted(client, now))
    if triplet is None or _is_over(settings, triplet, now):
        triplet, ground = Triplet(now, now, attempts=0), Ground.NEW
    else:
        ground = Ground.TRIPLET
    waited = now - triplet.first
    if waited < settings.greylist_delay:
        early = Ground.NEW if ground is Ground.NEW else Ground.EARLY
        left = int(settings.greylist_delay) - waited
        return Judgement(early, left=left, triplet=_seen(triplet, now, _MINUTE))
    if triplet.passed:
        return Judgement(Ground.TRIPLET, triplet=_seen(triplet, now, HOUR))
    passed = replace(triplet, last=now, passed=now, attempts=triplet.attempts + 1)
    return Judgement(Ground.TRIPLET, waited=waited, triplet=passed, client=_counted(client, now) if needed else None)


def expires(settings: GreylistSettings, triplet: Triplet) -> float:
    """When a triplet is forgotten: greylist_max_age after it was last seen. One that has not come back lasts until its time to do
    so is over, and as long as the report wants it."""
    if triplet.passed:
        return triplet.last + settings.greylist_max_age + HOUR
    return triplet.first + max(settings.greylist_retry_window, settings.greylist_report_time) + 1


def client_expires(settings: GreylistSettings, client: Client) -> float:
    return client.last + settings.greylist_max_age + HOUR


def _is_over(settings: GreylistSettings, triplet: Triplet, now: int) -> bool:
    """Whether an attempt is too late to be the return of this triplet, or the clock was put back."""
    return now < triplet.first or (not triplet.passed and now - triplet.first > settings.greylist_retry_window)


def _seen(triplet: Triplet, now: int, pause: int) -> Triplet | None:
    if not triplet.attempts or not 0 <= now - triplet.last < pause or (triplet.attempts == 1 and now > triplet.last):
        return replace(triplet, last=now, attempts=triplet.attempts + 1)
    return None


def _counted(client: Client | None, now: int) -> Client | None:
    """One success more, unless the last one is less than an hour ago; one that is to come is of a clock that was put back."""
    if client is None:
        return Client(1, now)
    if client.count >= FOREVER or client.last <= now < client.last + HOUR:
        return None
    return Client(client.count + 1, now)
