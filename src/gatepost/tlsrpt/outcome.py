"""How the TLS of a session with somebody's mail server came out, in the terms of RFC 8460 §4: values that the SMTP client makes."""

import enum
from collections.abc import Callable
from typing import Final

from msgspec import Struct


class ResultType(enum.StrEnum):
    """What failed (RFC 8460 §4.3)."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    CERTIFICATE_HOST_MISMATCH = "certificate-host-mismatch"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    DANE_REQUIRED = "dane-required"
    STS_POLICY_FETCH_ERROR = "sts-policy-fetch-error"
    STS_POLICY_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


class PolicyType(enum.StrEnum):
    """What kind of policy the other side publishes."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


class ReportedPolicy(Struct, frozen=True):
    """The policy that a session is judged by.

    - `domain`: whose it is, for TLSA the name that the records are under (RFC 8460 §1.1); empty: the next hop;
    - `strings`: the policy's lines, or its records, as published;
    - `mx_hosts`: the patterns of hosts that it names (MTA-STS);
    - `failure`: what is wrong with the policy itself, which every session under it then reports.
    """

    type: PolicyType = PolicyType.NONE
    domain: str = ""
    strings: tuple[str, ...] = ()
    mx_hosts: tuple[str, ...] = ()
    failure: ResultType | None = None


NO_POLICY = ReportedPolicy()


class PolicyFailure(Struct, frozen=True):
    """Why there is no session at all: what a policy asks for is not there."""

    policy: ReportedPolicy
    result: ResultType


class TlsOutcome(Struct, frozen=True):
    """One session, or one that TLS did not let come about.

    - `domain`: the next hop, which says where reports go;
    - `mx`, `address`: the server's name and IP address; `own_address`: ours;
    - `result`: None where TLS came about as the policy wants it;
    - `reason`: more about that, in words;
    - `resumed`: the TLS session is one of before.
    """

    domain: str
    policy: ReportedPolicy
    mx: str
    address: str
    result: ResultType | None = None
    reason: str = ""
    own_address: str = ""
    resumed: bool = False


REPORT: Final = "tls_report"
"""The attribute of an envelope that carries a report: nobody is told of the sessions for it, else reports would follow each other
for ever."""

Observe = Callable[[TlsOutcome], None]
"""Is told of each; returns at once and raises nothing."""
