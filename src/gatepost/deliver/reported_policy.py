"""The policy that a TLS session counts for in reports (RFC 8460 §4.2), from what the client knows of it."""

from collections.abc import Mapping, Sequence

from gatepost.deliver.sts import StsFound
from gatepost.deliver.sts_patterns import patterns
from gatepost.net.port import TLSA
from gatepost.tlsrpt.outcome import NO_POLICY, PolicyFailure, PolicyType, ReportedPolicy, ResultType

_FAILURES = {result.value: result for result in ResultType}


def of_attributes(attributes: Mapping[str, str]) -> ReportedPolicy:
    """What a plug-in behind smtp_tls_policy_maps tells of a domain's MTA-STS policy (Postfix 3.10's attributes)."""
    if attributes.get("policy_type") != PolicyType.STS:
        return NO_POLICY
    return ReportedPolicy(
        PolicyType.STS,
        attributes.get("policy_domain", ""),
        tuple(filter(None, attributes.get("policy_string", "").split("\n"))),
        tuple(patterns(attributes)),
        _FAILURES.get(attributes.get("policy_failure", "")),
    )


def of_sts(found: StsFound) -> ReportedPolicy:
    """What a domain says of MTA-STS, or what is wrong with that."""
    strings, hosts = (found.policy.lines, found.policy.mx) if found.policy else ((), ())
    return ReportedPolicy(PolicyType.STS, found.domain, strings, hosts, found.lack)


def of_records(base: str, records: Sequence[TLSA], failure: ResultType | None = None) -> ReportedPolicy:
    """TLSA records found under `base`."""
    return ReportedPolicy(PolicyType.TLSA, base, tuple(map(str, records)), failure=failure)


def no_dane(base: str, result: ResultType) -> PolicyFailure:
    """DANE allows no session with the host that records should be under `base` for."""
    return PolicyFailure(ReportedPolicy(PolicyType.TLSA, base), result)
