"""What a policy of MTA-STS has against a server to which mail goes all the same, since the policy is only tested (RFC 8461 §5)."""

from typing import TYPE_CHECKING

from gatepost.net import openssl
from gatepost.net.client_tls import alternative_names, name_matches, parsed_certificate
from gatepost.proto.mta_sts import StsPolicy
from gatepost.tlsrpt.outcome import ResultType
from gatepost.tlsrpt.result_types import of_certificate

if TYPE_CHECKING:
    import ssl


def objection(policy: StsPolicy, host: str, tls: "ssl.SSLObject | None") -> tuple[ResultType, str] | None:
    """Why an enforced policy would send no mail over this connection: as reports call it, and in words; None where it would. `tls`:
    None without TLS."""
    if not policy.allows(host):
        return ResultType.VALIDATION_FAILURE, "it is none of the policy's"
    if tls is None:
        return ResultType.STARTTLS_NOT_SUPPORTED, "there is no TLS with it"
    number, words = openssl.verification(tls)
    if number:
        return of_certificate(number), f"its certificate is not trusted: {words}"
    names = alternative_names(parsed_certificate(tls.getpeercert(binary_form=True) or b""))
    if not any(name_matches(name, host, many_labels=False) for name in names):
        return ResultType.CERTIFICATE_HOST_MISMATCH, "its certificate is for another name"
    return None
