"""The account's key, and what is signed with it: JSON Web Signatures by ES256 (RFC 7515, RFC 7518 §3.4, RFC 8555 §6.2).

cryptography is imported when it is used: only who has ACME pays for it.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gatepost.acme.port import AcmeFailure

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_OCTETS: Final = 32  # of a coordinate of P-256, and of each half of a signature


class AccountKey:
    """An ECDSA key on P-256."""

    def __init__(self, key: "EllipticCurvePrivateKey") -> None:
        self._key = key

    @classmethod
    def make(cls) -> "AccountKey":
        """A new one."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def read(cls, pem: bytes) -> "AccountKey":
        """The one of a file. Raises AcmeFailure."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise AcmeFailure("it holds no private key without a passphrase") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise AcmeFailure("its key is not of the kind ECDSA P-256")
        return cls(key)

    def pem(self) -> bytes:
        """For a file that nobody else reads."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @cached_property
    def jwk(self) -> Mapping[str, str]:
        """The public key (RFC 7518 §6.2), its members in the order of RFC 7638."""
        numbers = self._key.public_key().public_numbers()
        return {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}

    @cached_property
    def thumbprint(self) -> str:
        """RFC 7638."""
        return base64url(hashlib.sha256(msgspec.json.encode(self.jwk)).digest())

    def key_authorization(self, token: str) -> str:
        """RFC 8555 §8.1."""
        return f"{token}.{self.thumbprint}"

    def signed(self, url: str, nonce: str, payload: bytes, account: str = "") -> bytes:
        """The body of a request to `url`. `account`: the account's URL; empty where there is none yet, and the key itself stands
        in its place. An empty payload is POST-as-GET."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        who: dict[str, Any] = {"kid": account} if account else {"jwk": self.jwk}
        protected = base64url(msgspec.json.encode({"alg": "ES256", **who, "nonce": nonce, "url": url}))
        body = base64url(payload)
        halves = decode_dss_signature(self._key.sign(f"{protected}.{body}".encode(), ECDSA(hashes.SHA256())))
        signature = base64url(b"".join(half.to_bytes(_OCTETS) for half in halves))
        return msgspec.json.encode({"protected": protected, "payload": body, "signature": signature})

    def bound(self, url: str, key_id: str, mac_key: bytes) -> Mapping[str, str]:
        """The externalAccountBinding of a new account (RFC 8555 §7.3.4): this key, vouched for by one that the authority gave."""
        protected = base64url(msgspec.json.encode({"alg": "HS256", "kid": key_id, "url": url}))
        body = base64url(msgspec.json.encode(self.jwk))
        signature = hmac.digest(mac_key, f"{protected}.{body}".encode(), "sha256")
        return {"protected": protected, "payload": body, "signature": base64url(signature)}


def base64url(octets: bytes) -> str:
    """RFC 7515 §2: without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _coordinate(number: int) -> str:
    return base64url(number.to_bytes(_OCTETS))
