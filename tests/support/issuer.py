"""An issuer of tokens for tests: its keys, the tokens that it signs, and those that others forge."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import get_default_algorithms

ISSUER: Final = "https://id.example.test/realm"
AUDIENCE: Final = "mail"
USER: Final = "anna@example.test"


def encoded(octets: bytes | Mapping[str, Any]) -> bytes:
    """Base64 of RFC 7515 §2; of JSON, where it is a mapping."""
    text = octets if isinstance(octets, bytes) else json.dumps(octets).encode()
    return urlsafe_b64encode(text).rstrip(b"=")


def claims(**changes: object) -> dict[str, Any]:
    """Those of a good token, with changes; None leaves one out."""
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "1234", "email": USER, "scope": "openid smtp", "iat": now, "exp": now + 300}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


class Signer:
    """A key pair, and what is made with it. `id`: of its key."""

    def __init__(self, id: str = "one", algorithm: str = "RS256") -> None:
        self.id = id
        self.algorithm = algorithm
        self.private: Any = _made(algorithm)

    @property
    def public(self) -> dict[str, Any]:
        """Its JSON Web Key."""
        key = json.loads(get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key()))
        key.pop("key_ops", None)
        return {**key, "use": "sig", "alg": self.algorithm, **({"kid": self.id} if self.id else {})}

    def token(self, header: Mapping[str, Any] | None = None, said: Mapping[str, Any] | None = None, **changes: object) -> bytes:
        """A token with changed claims, or `said` in their place; header fields are added, None takes one out."""
        top: dict[str, Any] = {"alg": self.algorithm, "typ": "JWT", "kid": self.id or None, **(header or {})}
        top = {name: value for name, value in top.items() if value is not None}
        signed = encoded(top) + b"." + encoded(claims(**changes) if said is None else said)
        return signed + b"." + encoded(get_default_algorithms()[self.algorithm].sign(signed, self.private))


def _made(algorithm: str) -> PrivateKeyTypes:
    if algorithm.startswith("ES"):
        return ec.generate_private_key({"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def key_set(*keys: Signer | Mapping[str, Any]) -> bytes:
    """A JWK Set."""
    return json.dumps({"keys": [key.public if isinstance(key, Signer) else key for key in keys]}).encode()


def unsigned(**changes: object) -> bytes:
    """`alg: none` (RFC 7519 §6)."""
    return encoded({"alg": "none", "typ": "JWT"}) + b"." + encoded(claims(**changes)) + b"."


def by_secret(secret: bytes, header: Mapping[str, Any], **changes: object) -> bytes:
    """HS256 with a secret, which may be a public key in PEM."""
    signed = encoded({"alg": "HS256", "typ": "JWT", **header}) + b"." + encoded(claims(**changes))
    return signed + b"." + encoded(hmac.new(secret, signed, hashlib.sha256).digest())
