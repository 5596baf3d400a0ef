"""What tells a TLS connection from all others, and both its ends know (RFC 5056): data by type of channel binding."""

import ctypes
import functools
import hashlib
from typing import TYPE_CHECKING, Final

from gatepost.net import openssl

if TYPE_CHECKING:
    import ssl

_LABEL: Final = b"EXPORTER-Channel-Binding"
_EXPORTED: Final = 32  # octets (RFC 9266 §4.2)
_GET_EXTMS_SUPPORT: Final = 122  # SSL_CTRL_GET_EXTMS_SUPPORT of ssl.h
_TOO_WEAK: Final = ("md5", "sha1")


def channel_bindings(connected: "ssl.SSLObject") -> dict[str, bytes]:
    """The data of a connection after its handshake; empty where OpenSSL cannot be asked.

    - `tls-exporter` (RFC 9266) with TLS 1.3; of a server with 1.2, too;
    - `tls-unique` (RFC 5929 §3) with TLS 1.2. With 1.2 both need the extended master secret (RFC 7627), for without it somebody in
      between can make two connections that have them in common;
    - `tls-server-end-point` (RFC 5929 §4) of a server, for clients that know no other: it is the same in all connections.
    """
    functions, pointer = openssl.library(), openssl.connection_pointer(connected)
    if functions is None or pointer is None:
        return {}
    found: dict[str, bytes | None] = {}
    is_new = connected.version() == "TLSv1.3"
    is_safe = is_new or _has_extended_master_secret(functions, pointer)
    if is_safe and (is_new or connected.server_side):
        found["tls-exporter"] = _exported(functions, pointer)
    if is_safe and not is_new:
        found["tls-unique"] = connected.get_channel_binding("tls-unique")
    if connected.server_side:
        found["tls-server-end-point"] = _end_point(openssl.own_certificate(connected))
    return {kind: octets for kind, octets in found.items() if octets}


def _exported(functions: ctypes.CDLL, pointer: int) -> bytes | None:
    octets = ctypes.create_string_buffer(_EXPORTED)
    export = functions.SSL_export_keying_material
    export.argtypes = (
        *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t),
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int),
    )
    export.restype = ctypes.c_int
    return octets.raw if export(pointer, octets, _EXPORTED, _LABEL, len(_LABEL), b"", 0, 1) == 1 else None


def _has_extended_master_secret(functions: ctypes.CDLL, pointer: int) -> bool:
    control = functions.SSL_ctrl
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p)
    control.restype = ctypes.c_long
    return bool(control(pointer, _GET_EXTMS_SUPPORT, 0, None) == 1)


@functools.lru_cache(maxsize=64)
def _end_point(certificate: bytes) -> bytes | None:
    """The digest of a server's certificate, by that of its signature, or SHA-256 for weak ones. None where the signature has none
    of its own (Ed25519), for which the RFC has no rule."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        digest = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if digest is None:
        return None
    return hashlib.new("sha256" if digest.name in _TOO_WEAK else digest.name, certificate).digest()
