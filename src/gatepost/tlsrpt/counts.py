"""What one domain's sessions of one day came to: values as the shared state has them, and how what is new is added.

What strangers choose is bounded: how many policies and failures of a domain are told apart, and how long each text is. What goes
beyond is counted, where it can be, and not told apart.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gatepost.state.port import Entry, Space
from gatepost.state.update import Update
from gatepost.tlsrpt.names import bounded
from gatepost.tlsrpt.outcome import ReportedPolicy, ResultType, TlsOutcome

DAYS: Final = Space("tlsrpt")
DAY: Final = 86400
_KEPT: Final = 3 * DAY
"""Seconds after its end that a day is kept: until its reports are sent, and for whoever wants to look."""

MOST_FAILURES: Final = 40
_MOST_TEXT: Final = 32_000
"""Failures of a domain and day that are told apart, and characters of all its policies: with both, a value fits into the state."""
_MOST_STRINGS, _LONGEST_STRING = 32, 160
_LONGEST_NAME, _LONGEST_REASON, _LONGEST_ADDRESS = 255, 160, 45


class Failure(Struct, frozen=True, array_like=True):
    """One kind of failure (RFC 8460 §4.4, failure-details); names as in TlsOutcome."""

    result: ResultType
    mx: str
    address: str
    own_address: str
    reason: str


class Sessions(Struct, frozen=True, array_like=True):
    """Those under one policy: how many came about and how many did not, and how often each kind of failure was seen."""

    policy: ReportedPolicy
    successful: int = 0
    failed: int = 0
    failures: tuple[tuple[Failure, int], ...] = ()


class DayCounts(Struct, frozen=True, array_like=True):
    """Those of one domain and day."""

    domain: str
    sessions: tuple[Sessions, ...] = ()


class Tally:
    """What is counted in memory until it is stored."""

    __slots__ = ("failed", "failures", "successful")

    def __init__(self) -> None:
        self.successful = 0
        self.failed = 0
        self.failures: dict[Failure, int] = {}

    def count(self, outcome: TlsOutcome) -> None:
        result = outcome.result or outcome.policy.failure
        if result is None:
            self.successful += 1
            return
        self.failed += 1
        failure = Failure(
            result,
            bounded(outcome.mx, _LONGEST_NAME),
            bounded(outcome.address, _LONGEST_ADDRESS),
            bounded(outcome.own_address, _LONGEST_ADDRESS),
            bounded(outcome.reason, _LONGEST_REASON),
        )
        if failure in self.failures or len(self.failures) < MOST_FAILURES:
            self.failures[failure] = self.failures.get(failure, 0) + 1

    def add(self, other: "Tally") -> None:
        """All that another has counted, too."""
        self.successful += other.successful
        self.failed += other.failed
        for failure, number in other.failures.items():
            if failure in self.failures or len(self.failures) < MOST_FAILURES:
                self.failures[failure] = self.failures.get(failure, 0) + number


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DayCounts).decode


def key_of(day: int, domain: str) -> bytes:
    """`day`: since 1970, of UTC."""
    return f"{day:08d} {domain}".encode()


def prefix_of(day: int) -> bytes:
    """How the keys of a day begin."""
    return f"{day:08d} ".encode()


def counts_of(entry: Entry | None, domain: str = "") -> DayCounts:
    """What an entry has; nothing where there is none, or none that can be read."""
    if entry is not None:
        try:
            return _decode(entry.value)
        except msgspec.MsgspecError:
            pass
    return DayCounts(domain)


def stored(counts: DayCounts, day: int) -> Update:
    """As the state is to have it."""
    return Update(_encode(counts), (day + 1) * DAY + _KEPT)


def added(counts: DayCounts, tallies: Mapping[ReportedPolicy, Tally]) -> DayCounts:
    """With what was counted since."""
    known = {sessions.policy: sessions for sessions in counts.sessions}
    room = _MOST_TEXT - sum(map(_length, known))
    kinds = sum(len(sessions.failures) for sessions in counts.sessions)
    for policy, tally in tallies.items():
        short = shortened(policy)
        before = known.get(short)
        if before is None:
            if _length(short) > room:
                continue
            room -= _length(short)
            before = Sessions(short)
        failures = dict(before.failures)
        for failure, number in tally.failures.items():
            kinds += failure not in failures
            if failure in failures or kinds <= MOST_FAILURES:
                failures[failure] = failures.get(failure, 0) + number
        known[short] = replace(
            before,
            successful=before.successful + tally.successful,
            failed=before.failed + tally.failed,
            failures=tuple(failures.items()),
        )
    return replace(counts, sessions=tuple(known.values()))


def shortened(policy: ReportedPolicy) -> ReportedPolicy:
    """A policy as it is kept."""
    return replace(
        policy,
        domain=bounded(policy.domain, _LONGEST_NAME),
        strings=tuple(bounded(text, _LONGEST_STRING) for text in policy.strings[:_MOST_STRINGS]),
        mx_hosts=tuple(bounded(text, _LONGEST_NAME) for text in policy.mx_hosts[:_MOST_STRINGS]),
    )


def _length(policy: ReportedPolicy) -> int:
    """Octets that a policy takes at most, with its numbers."""
    texts = (*policy.strings, *policy.mx_hosts)
    return 100 + len(policy.domain) + sum(map(len, texts)) + 3 * len(texts)
