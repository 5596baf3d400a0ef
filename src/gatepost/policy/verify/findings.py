"""What is known of an address, and for how long that holds: values and rules without a clock or a store."""

import enum

import msgspec
from msgspec import Struct

from gatepost.mail.outcome import Class, Outcome

TEXT_LIMIT = 1000
"""Characters of what an agent says that are kept."""


class Deliverability(enum.IntEnum):
    """What a probe has said of an address."""

    DELIVERABLE = 0
    DEFERRED = 1
    UNDELIVERABLE = 2
    UNKNOWN = 3


_OF_CLASS = {
    Class.OK: Deliverability.DELIVERABLE,
    Class.TEMPORARY: Deliverability.DEFERRED,
    Class.PERMANENT: Deliverability.UNDELIVERABLE,
}


class Finding(Struct, frozen=True, array_like=True):
    """What is known of an address. `text`: of the outcome; `updated`: when it was found out, seconds since 1970."""

    status: Deliverability
    text: str
    updated: float = 0.0

    @property
    def good(self) -> bool:
        return self.status is Deliverability.DELIVERABLE


IN_PROGRESS = Finding(Deliverability.UNKNOWN, "Address verification in progress")
TOO_MANY = Finding(Deliverability.DEFERRED, "Too many address verification requests")


def finding_of(outcome: Outcome, now: float) -> Finding:
    """What an outcome says of an address."""
    return Finding(_OF_CLASS[outcome.cls], outcome.text[:TEXT_LIMIT], now)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Finding).decode


def to_record(finding: Finding) -> bytes:
    """A finding as it is stored. A reply's octets that are no text are told as question marks."""
    text = finding.text.encode("utf-8", "replace").decode()
    return _encode(Finding(finding.status, text, finding.updated))


def from_record(record: bytes) -> Finding | None:
    """What was stored; None where nobody can read it, which then counts as not known."""
    try:
        return _decode(record)
    except msgspec.MsgspecError:
        return None


class Lifetime(Struct, frozen=True):
    """Seconds after which a finding is asked for anew, and after which it counts no more."""

    refresh: float
    expire: float


class Lifetimes(Struct, frozen=True):
    """Of good and bad findings; `keeps_bad`: whether bad ones are kept at all (address_verify_negative_cache)."""

    good: Lifetime
    bad: Lifetime
    keeps_bad: bool = True

    def expires(self, finding: Finding) -> float:
        """Seconds since 1970 from which on it counts no more."""
        return finding.updated + self._of(finding).expire

    def is_stale(self, finding: Finding, now: float) -> bool:
        """Whether it has to be asked for anew, while it holds."""
        return finding.updated + self._of(finding).refresh < now

    def replaces(self, new: Finding, old: Finding | None) -> bool:
        """Whether a new finding is kept. One good answer outlasts the bad ones that come before it expires (optimistic caching)."""
        return new.good or (self.keeps_bad and (old is None or not old.good))

    def _of(self, finding: Finding) -> Lifetime:
        return self.good if finding.good else self.bad
