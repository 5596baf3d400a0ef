"""What a TLS handshake came to, in the words of Postfix's log and Received header: for TLS 1.3 with how the ends exchanged keys and
proved who they are."""

import ctypes
import functools
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gatepost.net import openssl

if TYPE_CHECKING:
    import ssl

# Questions to SSL_ctrl(3): SSL_get_negotiated_group(3), SSL_get_signature_nid(3), SSL_get_peer_signature_nid(3).
_GROUP: Final = 134
_OWN_DIGEST: Final = 132
_PEER_DIGEST: Final = 108

_MONTGOMERY: Final = ("X25519", "X448")  # groups that are a key exchange of their own
_SHORT_NAMES: Final = {"secp256r1": "prime256v1", "secp192r1": "prime192v1"}  # OpenSSL's names of curves that have others


class Handshake(Struct, frozen=True, kw_only=True):
    """`bits` of the cipher; `details`: what TLS 1.3 has to say besides, in one or two parts."""

    protocol: str = ""
    cipher: str = ""
    bits: int = 0
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.head, *self.details))

    @property
    def head(self) -> str:
        """`TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)`."""
        return f"{self.protocol} with cipher {self.cipher} ({self.bits}/{self.bits} bits)"


def read(connected: "ssl.SSLObject", *, details: bool = True) -> Handshake:
    """The handshake of a connection that has finished it; without `details`, which take as long as all else together, where nobody
    is told of them."""
    name, _, bits = connected.cipher() or ("", "", 0)
    return Handshake(protocol=connected.version() or "", cipher=name, bits=bits, details=_details(connected) if details else ())


def _details(connected: "ssl.SSLObject") -> tuple[str, ...]:
    """`key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256`, and `client-signature ...` where the client
    showed a certificate. Nothing before TLS 1.3, where the name of the cipher says it."""
    library, pointer = openssl.library(), openssl.connection_pointer(connected)
    if connected.version() != "TLSv1.3" or library is None or pointer is None:
        return ()
    try:
        return _Questions(library, ctypes.c_void_p(pointer)).details(connected)
    except AttributeError:  # an OpenSSL that has one of the functions not
        return ()


class _Questions:
    """The questions to one connection."""

    def __init__(self, library: ctypes.CDLL, connection: ctypes.c_void_p) -> None:
        self._library = library
        self._connection = connection
        self._control = library.SSL_ctrl
        self._control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p)
        self._control.restype = ctypes.c_long

    def details(self, connected: "ssl.SSLObject") -> tuple[str, ...]:
        own_digest, peer_digest = self._digest(_OWN_DIGEST), self._digest(_PEER_DIGEST)
        # A client may have a certificate that it was not asked for.
        own = openssl.own_certificate(connected) if connected.server_side or own_digest is not None else b""
        peer = connected.getpeercert(binary_form=True) or b""
        ends = ((own, own_digest), (peer, peer_digest))
        server, client = (
            _end(role, certificate, digest)
            for role, (certificate, digest) in zip(("server", "client"), ends if connected.server_side else ends[::-1], strict=True)
        )
        first = " ".join(part for part in (self._exchange(), server) if part)
        return tuple(line for line in (first, client) if line)

    def _exchange(self) -> str:
        """How keys were exchanged; empty for a group that this OpenSSL has no name for."""
        name = self._name(self._control(self._connection, _GROUP, 0, None))
        if name in _MONTGOMERY:
            return f"key-exchange {name}"
        if name.startswith("ffdhe"):
            return f"key-exchange DHE ({name.removeprefix('ffdhe')} bits)"
        return f"key-exchange ECDHE ({name})" if name else ""

    def _digest(self, question: int) -> str | None:
        """The digest of a signature: empty where it has none, None where nothing was signed."""
        number = ctypes.c_int()
        signed = self._control(self._connection, question, 0, ctypes.byref(number))
        return self._name(number.value) if signed else None

    def _name(self, number: int) -> str:
        """The short name that OpenSSL has for one of its numbers; empty for none."""
        short_name = self._library.OBJ_nid2sn
        short_name.restype = ctypes.c_char_p
        return (short_name(ctypes.c_int(number)) or b"").decode() if number > 0 else ""


def _end(role: str, certificate: bytes, digest: str | None) -> str:
    """How the end of a role signed; empty where it did not, or nothing can be said of it."""
    signature = _signature(certificate) if certificate else ""
    return signature and f"{role}-signature {signature}" + (f" {role}-digest {digest}" if digest else "")


@functools.lru_cache(maxsize=64)
def _signature(certificate: bytes) -> str:
    """What the key of a certificate signs with in TLS 1.3, where RSA keys always sign by RSA-PSS (RFC 8446 §4.2.3). Empty for a
    certificate that OpenSSL takes and a stricter reader does not: nothing depends on these words."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-PSS ({key.key_size} bits)"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA ({_SHORT_NAMES.get(key.curve.name, key.curve.name)})"
    return type(key).__name__.removesuffix("PublicKey").upper()
