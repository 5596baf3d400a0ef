"""Signed tokens: JSON Web Tokens (RFC 7519) in compact form, and the public keys that prove them (RFC 7517).

What an attacker may choose is judged before any key is touched (RFC 8725): the algorithm is one of those that are configured and of
the kind of the key, all of them asymmetric; `crit`, `b64` and other kinds of token are refused; keys that a token brings or points
to (jwk, jku, x5c, x5u) are not looked at. PyJWT checks the signature.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from gatepost.auth.backends.token_claims import Claims, WrongToken

if TYPE_CHECKING:
    from jwt.algorithms import AllowedPublicKeys

LONGEST: Final = 8192
"""Octets of a token."""
MOST_KEYS: Final = 50

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final[Mapping[str, tuple[str, ...]]] = {
    "P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",), "Ed448": ("EdDSA",),
}  # fmt: skip
ALGORITHMS: Final = (*_RSA, "ES256", "ES384", "ES512", "EdDSA")
"""All that there are here: with a secret (HS256) whoever checks a token could make one."""

_RSA_BITS: Final = range(2048, 8193)
_FORM: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JSON_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Key(Struct, frozen=True):
    """A public key. `id`: empty where it has none; `algorithms`: those that it may be used with."""

    id: str
    algorithms: frozenset[str]
    key: "AllowedPublicKeys"


class Head(Struct, frozen=True):
    """What a token says of its signature. `key`: its key's id, empty where it does not say."""

    algorithm: str
    key: str


class Signature(Struct, frozen=True):
    """What a signature has to be. `algorithms`: by their names of RFC 7518 and RFC 8037; `type`: of the token (RFC 8725 §3.11),
    empty for any that is a JWT."""

    algorithms: frozenset[str] = frozenset(ALGORITHMS)
    type: str = ""


_TYPES: Final = frozenset(("jwt", "at+jwt"))


def head(token: bytes, wanted: Signature) -> Head:
    """Raises WrongToken for a token that no key could make right."""
    if len(token) > LONGEST or not _FORM.fullmatch(token):
        raise WrongToken("not a signed token")
    said = _object(token.partition(b".")[0])
    if said.keys() & {"crit", "b64", "enc", "zip"}:
        raise WrongToken("the token asks for what is not done here")
    algorithm, key, type = said.get("alg"), said.get("kid", ""), said.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in wanted.algorithms:
        raise WrongToken("the token is signed by an algorithm that does not count")
    if not isinstance(key, str) or not isinstance(type, str):
        raise WrongToken("not a signed token")
    known = type.lower().removeprefix("application/")
    if known != wanted.type.lower() if wanted.type else known not in _TYPES:
        raise WrongToken("the token is of another type")
    return Head(algorithm, key)


def fitting(keys: Sequence[Key], head: Head) -> tuple[Key, ...]:
    """The keys that a token may be signed with: those of its id, or all where it has none."""
    return tuple(key for key in keys if head.algorithm in key.algorithms and (key.id == head.key or not head.key))


def claims(token: bytes, head: Head, keys: Sequence[Key]) -> Claims:
    """What it says, where one of the keys has signed it. Raises WrongToken."""
    from jwt.api_jws import PyJWS
    from jwt.exceptions import PyJWTError

    library = PyJWS(algorithms=[head.algorithm])
    for key in keys:
        try:
            payload = library.decode_complete(token, key.key, algorithms=[head.algorithm])["payload"]
        except (PyJWTError, ValueError, TypeError):
            continue
        try:
            found = msgspec.json.decode(payload)
        except _JSON_ERRORS:
            found = None
        if isinstance(found, dict):
            return found
    raise WrongToken("the token's signature is wrong")


def _object(part: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (*_JSON_ERRORS, ValueError):
        found = None
    if not isinstance(found, dict):
        raise WrongToken("not a signed token")
    return found


# --- keys ---


def keys_of(text: bytes) -> tuple[Key, ...]:
    """The keys of a JWK Set that signatures can be checked with; others are passed over (RFC 7517 §5). Raises ValueError where
    there is none, or it is no JWK Set."""
    try:
        found = msgspec.json.decode(text)
    except _JSON_ERRORS:
        found = None
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a set of keys (JWKS)")
    if len(listed) > MOST_KEYS:
        raise ValueError(f"more than {MOST_KEYS} keys")
    keys = tuple(key for one in listed if isinstance(one, dict) and (key := _key(one)) is not None)
    if not keys:
        raise ValueError("no key that signatures can be checked with")
    return keys


def _key(said: dict[str, Any]) -> Key | None:
    kind, id, own = said.get("kty"), said.get("kid", ""), said.get("alg")
    possible = _RSA if kind == "RSA" else _CURVES.get(str(said.get("crv")), ()) if kind in ("EC", "OKP") else ()
    algorithms = frozenset(one for one in possible if own in (None, one))
    operations = said.get("key_ops", ["verify"])
    for_signatures = said.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    if not algorithms or not for_signatures or not isinstance(id, str):
        return None
    public = {name: value for name, value in said.items() if name in _PUBLIC}
    key = _public_key(public, next(iter(algorithms)))
    return None if key is None else Key(id, algorithms, key)


_PUBLIC: Final = frozenset(("kty", "crv", "n", "e", "x", "y"))
"""Where somebody has published the private half as well, it is not taken up."""


def _public_key(said: dict[str, Any], algorithm: str) -> "AllowedPublicKeys | None":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.algorithms import get_default_algorithms
    from jwt.exceptions import PyJWTError

    try:
        key: AllowedPublicKeys = get_default_algorithms()[algorithm].from_jwk(said)
    except (PyJWTError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPublicKey) and (key.key_size not in _RSA_BITS or key.public_numbers().e >= 1 << 33):
        return None
    return key
