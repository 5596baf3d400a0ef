"""TLS for outgoing connections: contexts from what TLS parameters say, and what a peer's certificate tells (TLS_README).

Failure: BadTlsParameter where a parameter cannot be obeyed; nothing is skipped in silence.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import ssl

# tls_high_cipherlist and its kin; null and anonymous suites are of no use to a client that may verify.
_CIPHERS = {
    "high": "HIGH:@STRENGTH",
    "medium": "HIGH:MEDIUM:@STRENGTH",
    "low": "HIGH:MEDIUM:LOW:@STRENGTH",
    "export": "HIGH:MEDIUM:LOW:@STRENGTH",
    "null": "eNULL",
}
_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class BadTlsParameter(ValueError):
    """A TLS parameter that cannot be obeyed."""


class ContextSpec(Struct, frozen=True):
    """What a context is made of. `protocols`, `ciphers`, `exclude` as in smtp_tls_protocols, smtp_tls_ciphers,
    smtp_tls_exclude_ciphers; `verify`: require a certificate chain to a trusted root; `ca_file`, `ca_path`: roots, beside the
    system's where `system_roots`; `chain`: own certificate and key files."""

    protocols: str = ">=TLSv1"
    ciphers: str = "medium"
    exclude: str = ""
    verify: bool = False
    ca_file: str = ""
    ca_path: str = ""
    system_roots: bool = False
    cert_file: str = ""
    key_file: str = ""


def versions(text: str) -> tuple[int, int]:
    """Lowest and highest protocol, as indices of SSLv2 ... TLSv1.3, that a protocol list allows: `>=TLSv1.2`, `!SSLv3`,
    `TLSv1.2 TLSv1.3`. Raises BadTlsParameter."""
    allowed = set(range(len(_VERSIONS)))
    named: set[int] = set()
    for word in re.split(r"[\s,:]+", text.strip()):
        if not word:
            continue
        name = word.lstrip("><=!")
        sign = word[: len(word) - len(name)]
        number = _version(name)
        if sign == ">=":
            allowed -= set(range(number))
        elif sign == "<=":
            allowed -= set(range(number + 1, len(_VERSIONS)))
        elif sign == "!":
            allowed.discard(number)
        elif not sign:
            named.add(number)
        else:
            raise BadTlsParameter(f"malformed TLS protocol: {word}")
    allowed &= named or allowed
    if not allowed:
        raise BadTlsParameter(f"no TLS protocol is left by: {text}")
    return min(allowed), max(allowed)


def _version(name: str) -> int:
    for number, version in enumerate(_VERSIONS):
        if name.lower() in (version.lower(), f"{version.lower()}.0"):
            return number
    raise BadTlsParameter(f"unknown TLS protocol: {name}")


def client_context(spec: ContextSpec) -> "ssl.SSLContext":
    """A context for outgoing connections. Raises BadTlsParameter, and OSError where a file cannot be read."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # names are matched by policy (smtp_tls_secure_cert_match)
    context.verify_mode = ssl.CERT_REQUIRED if spec.verify else ssl.CERT_NONE
    supported = {
        2: ssl.TLSVersion.MINIMUM_SUPPORTED, 3: ssl.TLSVersion.TLSv1_1, 4: ssl.TLSVersion.TLSv1_2, 5: ssl.TLSVersion.TLSv1_3,
    }  # fmt: skip
    low, high = versions(spec.protocols)
    if high < min(supported):
        raise BadTlsParameter(f"obsolete TLS protocols only: {spec.protocols}")
    context.minimum_version = supported[max(low, min(supported))]
    context.maximum_version = supported[high]
    excluded = "".join(f":!{word}" for word in spec.exclude.replace(",", " ").replace(":", " ").split())
    try:
        context.set_ciphers(f"{_CIPHERS[spec.ciphers]}{excluded}")
    except (KeyError, ssl.SSLError):
        raise BadTlsParameter(f"bad TLS cipher grade or exclusion: {spec.ciphers} {spec.exclude}") from None
    if spec.ca_file or spec.ca_path:
        context.load_verify_locations(spec.ca_file or None, spec.ca_path or None)
    if spec.system_roots:
        context.load_default_certs()
    if spec.cert_file:
        context.load_cert_chain(spec.cert_file, spec.key_file or None)
    return context


def certificate_names(certificate: "dict[str, Any]") -> tuple[str, ...]:
    """DNS names a certificate is for (RFC 6125 §6.4): its subjectAltName, the common name only where there is none."""
    names = tuple(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")
    if names:
        return names
    return tuple(value for rdn in certificate.get("subject", ()) for kind, value in rdn if kind == "commonName")


def name_matches(presented: str, wanted: str) -> bool:
    """Whether a certificate's name is the one wanted; `.example.com` wants any name below; a `*.` of the certificate stands for
    one label or more (tls_wildcard_matches_multiple_labels)."""
    presented, wanted = presented.lower().rstrip("."), wanted.lower().rstrip(".")
    if wanted.startswith("."):
        return presented.removeprefix("*").endswith(wanted)
    if presented.startswith("*."):
        return wanted.endswith(presented[1:]) and len(wanted) > len(presented) - 1
    return presented == wanted


def fingerprint_matches(der: bytes, digest: str, wanted: Sequence[str]) -> bool:
    """Whether a certificate, in DER, has one of the fingerprints `wanted` (hex, with or without colons)."""
    found = hashlib.new(digest, der).hexdigest()
    return any(word.replace(":", "").lower() == found for word in wanted)
