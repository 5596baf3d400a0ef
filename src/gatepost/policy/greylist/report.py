"""What greylisting did, of the triplets that are known: one pass, whatever their number."""

from collections import Counter
from typing import Final

from gatepost.policy.greylist.records import Triplet
from gatepost.policy.greylist.settings import GreylistSettings

_GROUPS: Final = 1_000_000  # of triplets with one identity that are told apart; of more, the report says that there are more
_SHOWN: Final = 10
_STEPS: Final = ((600, "within 10 minutes"), (3600, "within an hour"), (6 * 3600, "within 6 hours"), (1 << 40, "later"))


class Tally:
    """Counts triplets of the last `days`. `now`: seconds since 1970."""

    def __init__(self, settings: GreylistSettings, now: float, days: float) -> None:
        self._settings = settings
        self._now = now
        self._since = now - days * 86400
        self._days = days
        self.put_off = self.let_in = self.waiting = self.lost = self.saved = self.saved_seconds = 0
        self._waits: Counter[int] = Counter()
        self._waited = 0
        self._lost_domains: Counter[str] = Counter()
        self._groups: dict[bytes, tuple[int, int]] = {}
        self._too_many = False

    def add(self, key: bytes, triplet: Triplet) -> None:
        if triplet.first < self._since:
            return
        self.put_off += 1
        if triplet.passed:
            self.let_in += 1
            waited = max(triplet.passed - triplet.first, 0)
            self._waited += waited
            self._waits[next(number for number, (limit, _) in enumerate(_STEPS) if waited <= limit)] += 1
        elif self._now - triplet.first <= self._settings.greylist_retry_window:
            self.waiting += 1
        else:
            self.lost += 1
            if len(self._lost_domains) < _GROUPS:
                self._lost_domains[_domain(key)] += 1
        if triplet.identity:
            self._group(triplet)

    def _group(self, triplet: Triplet) -> None:
        """Of the triplets of one identity the first would have waited, and the others not."""
        known = self._groups.get(triplet.identity)
        if known is None:
            if len(self._groups) < _GROUPS:
                self._groups[triplet.identity] = (triplet.first, _wait(triplet))
            else:
                self._too_many = True
            return
        self.saved += 1
        spared, kept = ((triplet.first, _wait(triplet)), known)
        if spared[0] < kept[0]:
            spared, kept = kept, spared
        self._groups[triplet.identity] = kept
        self.saved_seconds += spared[1]

    def lines(self) -> list[str]:
        """The report."""
        average = f", after {_time(self._waited // self.let_in)} on average" if self.let_in else ""
        told = [
            f"Of the last {self._days:g} days, by their first attempt:",
            f"{self.put_off:10} put off",
            f"{self.let_in:10} came back and were let in{average}",
        ]
        told += [f"{self._waits[number]:14} {text}" for number, (_, text) in enumerate(_STEPS) if self._waits[number]]
        told += [f"{self.waiting:10} may still come back", f"{self.lost:10} never came back"]
        told += [f"{count:14} {domain}" for domain, count in self._lost_domains.most_common(_SHOWN)]
        return told + self._identity()

    def _identity(self) -> list[str]:
        by_domain = ", ".join(self._settings.greylist_identity)
        if by_domain:
            return [f"Clients for whom their domain answers are known by it (greylist_identity = {by_domain})."]
        more = " (at least)" if self._too_many else ""
        told = f"{self.saved:10} would not have been put off with greylist_identity = spf, name{more}"
        return [told + (f": {_time(self.saved_seconds)} of waiting" if self.saved_seconds else "")]


def _wait(triplet: Triplet) -> int:
    return max(triplet.passed - triplet.first, 0) if triplet.passed else 0


def _domain(key: bytes) -> str:
    """The sender's domain, of a key that is not hashed."""
    parts = key.decode("utf-8", "replace").split("/")
    return parts[-2].rpartition("@")[2] or "<>" if len(parts) > 2 else "(hashed)"


def _time(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"
