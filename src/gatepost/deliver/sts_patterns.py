"""What an MTA-STS plug-in behind smtp_tls_policy_maps tells of a domain's policy (RFC 8461).

Postfix 3.10 and later take these attributes beside those of a TLS policy: `policy_type=sts policy_domain=a.test
mx_host_pattern=*.a.test { policy_string = mode: enforce }`. Those that reports alone are made of (RFC 8460) are read and not used.
"""

from collections.abc import Mapping, Sequence

PATTERN = "mx_host_pattern"
REPEATED = frozenset((PATTERN, "policy_string"))
"""Attributes that may come more than once; their values stand a line each."""

ATTRIBUTES = REPEATED | {"policy_type", "policy_domain", "policy_ttl", "policy_failure"}


def patterns(attributes: Mapping[str, str]) -> Sequence[str]:
    """Of the hosts that the policy allows; none where there is no policy, or it names none."""
    return attributes.get(PATTERN, "").split("\n") if attributes.get("policy_type") == "sts" and PATTERN in attributes else ()
