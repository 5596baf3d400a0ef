"""What RFC 8460 calls OpenSSL's objections."""

import pytest

from gatepost.tlsrpt.outcome import ResultType
from gatepost.tlsrpt.result_types import of_certificate


@pytest.mark.parametrize(
    ("number", "by_tlsa", "result"),
    [
        (10, False, ResultType.CERTIFICATE_EXPIRED),
        (10, True, ResultType.CERTIFICATE_EXPIRED),
        (62, False, ResultType.CERTIFICATE_HOST_MISMATCH),
        (64, False, ResultType.CERTIFICATE_HOST_MISMATCH),
        (65, True, ResultType.TLSA_INVALID),
        (65, False, ResultType.CERTIFICATE_NOT_TRUSTED),  # smtp_tls_policy_maps with fingerprints: no record of the other side
        (18, False, ResultType.CERTIFICATE_NOT_TRUSTED),  # self-signed
        (20, False, ResultType.CERTIFICATE_NOT_TRUSTED),  # an unknown authority
        (1, True, ResultType.CERTIFICATE_NOT_TRUSTED),
        (12345, False, ResultType.CERTIFICATE_NOT_TRUSTED),
    ],
)
def test_of_certificate(number: int, by_tlsa: bool, result: ResultType) -> None:
    assert of_certificate(number, by_tlsa=by_tlsa) is result
