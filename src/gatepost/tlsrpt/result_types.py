"""What RFC 8460 §4.3 calls that which OpenSSL has against a certificate (X509_STORE_CTX_get_error(3))."""

from collections.abc import Mapping

from gatepost.tlsrpt.outcome import ResultType

_BY_NUMBER: Mapping[int, ResultType] = {
    10: ResultType.CERTIFICATE_EXPIRED,
    62: ResultType.CERTIFICATE_HOST_MISMATCH,
    64: ResultType.CERTIFICATE_HOST_MISMATCH,  # of an IP address
    65: ResultType.TLSA_INVALID,  # no record matches
}


def of_certificate(number: int, *, by_tlsa: bool = False) -> ResultType:
    """The type for one of OpenSSL's numbers; chains and authorities of all kinds are "not trusted" there, and `reason` says more.
    `by_tlsa`: records said what the certificate should be; what our own administrator says (fingerprints) is no record."""
    found = _BY_NUMBER.get(number, ResultType.CERTIFICATE_NOT_TRUSTED)
    return ResultType.CERTIFICATE_NOT_TRUSTED if found is ResultType.TLSA_INVALID and not by_tlsa else found
