"""What Postfix 3.10 and later send to a collector (smtp_tlsrpt_socket_name): the datagrams of libtlsrpt, one a session, in JSON.
Names and numbers are those that tlsrpt-collectd(1) takes."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gatepost.tlsrpt.counts import shortened
from gatepost.tlsrpt.names import bounded
from gatepost.tlsrpt.outcome import PolicyType, ResultType, TlsOutcome

_POLICIES: Final[Mapping[PolicyType, int]] = {PolicyType.TLSA: 1, PolicyType.STS: 2, PolicyType.NONE: 9}
_RESULTS: Final[Mapping[ResultType, int]] = {
    ResultType.STARTTLS_NOT_SUPPORTED: 201,
    ResultType.CERTIFICATE_HOST_MISMATCH: 202,
    ResultType.CERTIFICATE_NOT_TRUSTED: 203,
    ResultType.CERTIFICATE_EXPIRED: 204,
    ResultType.VALIDATION_FAILURE: 205,
    ResultType.STS_POLICY_FETCH_ERROR: 301,
    ResultType.STS_POLICY_INVALID: 302,
    ResultType.STS_WEBPKI_INVALID: 303,
    ResultType.TLSA_INVALID: 304,
    ResultType.DNSSEC_INVALID: 305,
    ResultType.DANE_REQUIRED: 306,
}
_LONGEST: Final = 255


def datagram(outcome: TlsOutcome, domain: str, record: str) -> bytes:
    """`domain`: of the next hop, which has published `record`."""
    policy, result = shortened(outcome.policy), outcome.result or outcome.policy.failure
    told: dict[str, Any] = {"policy-type": _POLICIES[policy.type]}
    if policy.type is not PolicyType.NONE:
        told["policy-domain"] = policy.domain or domain
    if policy.strings:
        told["policy-string"] = policy.strings
    if policy.mx_hosts:
        told["mx-host"] = policy.mx_hosts
    if result is not None:
        failure = {"s": outcome.own_address, "n": outcome.mx, "r": outcome.address, "f": outcome.reason}
        told["failure-details"] = [
            {"c": _RESULTS[result], **{key: bounded(text, _LONGEST) for key, text in failure.items() if text}}
        ]
    told |= {"t": int(result is not None), "f": int(result is not None)}
    return msgspec.json.encode({"dpv": "1", "d": domain, "pr": bounded(record, 4096), "policies": [told]})
