"""What a domain says of MTA-STS (RFC 8461): its TXT record (§3.1) and its policy (§3.2), from text to values.

A blank line, and a dot at the end of a host, are passed over although the grammar has neither: to refuse the policy for it would be
less security for its domain.
"""

import enum
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

LONGEST_AGE: Final = 31_557_600
"""Seconds; a policy that wants to count for longer counts for so long."""
LONGEST_POLICY: Final = 65536
"""Octets of a policy (§3.3)."""

_LONGEST_RECORD: Final = 4096
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<>-~]+)", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_LINE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*+([^\x00-\x1f\x7f]*)", re.ASCII)
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_LONGEST_HOST: Final = 255


class BadSts(ValueError):
    """A record or a policy that says nothing usable. The text says what is wrong with it."""


class Mode(enum.StrEnum):
    """What becomes of mail where a host is none of the policy, or does not show who it is: nothing goes there, a report is made, or
    nobody looks."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class StsPolicy(Struct, frozen=True, array_like=True):
    """The policy of a domain.

    - `max_age`: seconds that it counts from when it was fetched.
    - `mx`: hosts, or `*.` and what is behind the first label of one; lower case.
    """

    mode: Mode
    max_age: int
    mx: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """As the domain would write it, for reports."""
        return (
            "version: STSv1", f"mode: {self.mode.value}", *(f"mx: {host}" for host in self.mx), f"max_age: {self.max_age}",
        )  # fmt: skip

    def allows(self, host: str) -> bool:
        """Whether mail may go to a host."""
        return any(allows(pattern, host) for pattern in self.mx)


def allows(pattern: str, host: str) -> bool:
    """Whether a host is one of a pattern: that name, or for `*.a.test` one label before `.a.test` (§4.1)."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        return bool(host.partition(".")[0]) and host.partition(".")[2] == pattern[2:]
    return pattern == host


def record_id(texts: Iterable[str]) -> str:
    """The id of the policy, by the TXT records of `_mta-sts.DOMAIN`; it changes with the policy. Raises BadSts where there is not
    one record of that kind, or it cannot be read."""
    records = [text for text in texts if re.match(r"v=STSv1[ \t]*;", text)]
    if len(records) != 1:
        raise BadSts(f"{len(records) or 'no'} records of MTA-STS, and not one")
    if len(records[0]) > _LONGEST_RECORD:
        raise BadSts("the record is too long")
    fields = [field.strip(" \t") for field in records[0].split(";")[1:]]
    if fields[-1] == "":
        fields.pop()
    found = ""
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            raise BadSts("a field of the record is none")
        if match[1] == "id" and not found:
            found = match[2]
    if not _ID.fullmatch(found):
        raise BadSts("the record has no usable id")
    return found


def read_policy(body: bytes) -> StsPolicy:
    """The policy in a file. What it has beyond this version is passed over; of a field that comes again the first counts. Raises
    BadSts."""
    if len(body) > LONGEST_POLICY:
        raise BadSts("the policy is too long")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadSts("the policy is not text") from None
    fields: dict[str, str] = {}
    hosts: dict[str, None] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not (line := line.rstrip(" \t")):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadSts(f"line {number} of the policy is no field")
        if match[1] != "mx":
            fields.setdefault(match[1], match[2])
        elif len(match[2]) > _LONGEST_HOST or not _HOST.fullmatch(match[2]):
            raise BadSts(f"line {number} of the policy names no host")
        else:
            hosts[match[2].lower().rstrip(".")] = None
    return _policy(fields, tuple(hosts))


def _policy(fields: dict[str, str], hosts: tuple[str, ...]) -> StsPolicy:
    if fields.get("version") != "STSv1":
        raise BadSts("the policy is not of version STSv1")
    if fields.get("mode") not in set(Mode):
        raise BadSts("the policy has no usable mode")
    mode, age = Mode(fields["mode"]), fields.get("max_age", "")
    if not (age.isascii() and age.isdigit() and len(age) <= len("1234567890")):
        raise BadSts("the policy has no usable max_age")
    if not hosts and mode is not Mode.NONE:
        raise BadSts("the policy names no mx")
    return StsPolicy(mode, min(int(age), LONGEST_AGE), hosts)
