"""The report of a domain and day, in the JSON of RFC 8460 §4.4."""

import gzip
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from gatepost.tlsrpt.counts import DAY, DayCounts, Failure, Sessions
from gatepost.tlsrpt.names import bounded

_LONGEST = 255


class Submitter(Struct, frozen=True):
    """Who reports: `organization`, its name; `contact`, an address for people; `sender`, the address that reports come from;
    `domain`: whose that is."""

    organization: str
    contact: str
    sender: str

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]


class Report(Struct, frozen=True):
    """`begin`, `end`: first and last second of the time it is about, since 1970."""

    domain: str
    submitter: Submitter
    begin: int
    end: int
    body: Mapping[str, Any]

    @property
    def report_id(self) -> str:
        return self.body["report-id"]  # type: ignore[no-any-return]

    @property
    def file_name(self) -> str:
        """RFC 8460 §5.1."""
        return f"{self.submitter.domain}!{self.domain}!{self.begin}!{self.end}.json.gz"

    @property
    def compressed(self) -> bytes:
        return gzip.compress(msgspec.json.encode(self.body), mtime=self.end)


def make(counts: DayCounts, day: int, submitter: Submitter, now: float) -> Report:
    """The report of a `day` (since 1970); of one that is not over, until `now`."""
    begin = day * DAY
    end = max(begin, min(begin + DAY - 1, int(now)))
    body = {
        "organization-name": bounded(submitter.organization, _LONGEST),
        "date-range": {"start-datetime": _time(begin), "end-datetime": _time(end)},
        "contact-info": bounded(submitter.contact, _LONGEST),
        "report-id": f"{_time(end)}_{counts.domain}@{submitter.domain}",
        "policies": [_policy(sessions, counts.domain) for sessions in counts.sessions],
    }
    return Report(counts.domain, submitter, begin, end, body)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _policy(sessions: Sessions, domain: str) -> dict[str, Any]:
    policy = sessions.policy
    told: dict[str, Any] = {"policy-type": policy.type.value}
    if policy.strings:
        told["policy-string"] = list(policy.strings)
    told["policy-domain"] = policy.domain or domain
    if policy.mx_hosts:
        told["mx-host"] = list(policy.mx_hosts)
    summary = {"total-successful-session-count": sessions.successful, "total-failure-session-count": sessions.failed}
    found: dict[str, Any] = {"policy": told, "summary": summary}
    if sessions.failures:
        found["failure-details"] = [dict(_failure(failure, number)) for failure, number in sessions.failures]
    return found


def _failure(failure: Failure, number: int) -> Iterator[tuple[str, Any]]:
    yield "result-type", failure.result.value
    if failure.own_address:
        yield "sending-mta-ip", failure.own_address
    yield "receiving-mx-hostname", failure.mx
    yield "receiving-ip", failure.address
    yield "failed-session-count", number
    if failure.reason:
        yield "failure-reason-code", failure.reason
