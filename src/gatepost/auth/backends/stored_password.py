"""Stored passwords: `{SCHEME}HASH` as Dovecot names the schemes, and whether a password is the one that was stored.

Schemes that are meant to be slow go through argon2-cffi and libcrypt; hashes that would cost more than any honest one does
are refused. Plaintext is a password only where {PLAIN} says so. SCRAM keys may stand behind (scram_words.py).
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from gatepost.auth.backends import scram_words
from gatepost.auth.backends.libcrypt import crypt


class Malformed(Exception):
    """What is stored is no hash of a scheme that is known. The text never holds any of it."""


HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
"""Argon2id as OWASP has it at least: 19 MiB, 2 passes, 1 lane. A guess costs some 20 ms, and many at one time not all memory."""

DECOY: Final = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$Z2F0ZXBvc3QtZGVjb3kh$eBTcZLBEiaSYAbOxTuwvwBDaVOKiEwpqIvdGYfHf9nY"
"""The hash of no password that anybody has, for users who do not exist."""

_MOST_MEMORY: Final = 1 << 20
"""KiB that an Argon2 hash may ask for."""
_MOST_PASSES: Final = 64
_MOST_BCRYPT: Final = 16
_MOST_ROUNDS: Final = 5_000_000
"""Of SHA-crypt: a few seconds."""

_Verify = Callable[[bytes, bytes], bool]
"""(what stands behind the scheme, password)."""


def hashed(password: bytes) -> str:
    """A password as it is to be stored. Costs time: to be called in a thread."""
    return "{ARGON2ID}" + HASHER.hash(password)


def hashed_token(token: str) -> str:
    """The same for a password made at random, of 100 bits or more: nobody tries these one by one, so that a digest does."""
    salt = secrets.token_bytes(16)
    digest = hashlib.sha256(token.encode("ascii") + salt).digest()
    return "{SSHA256}" + base64.b64encode(digest + salt).decode("ascii")


def verify(stored: str, password: bytes) -> bool:
    """Whether the password is the stored one. Costs time: to be called in a thread. Raises Malformed."""
    scheme, text = _divided(stored)
    return _SCHEMES[scheme](text, password)


def is_quick(stored: str) -> bool:
    """Whether such a hash is computed at once, as that of a password which was made at random. Raises Malformed."""
    return _divided(stored)[0] not in _SLOW


def check(stored: str) -> None:
    """Raises Malformed where no password can be compared with it. Costs nothing."""
    scheme, text = _divided(stored)
    if scheme in _SHAPES:
        _SHAPES[scheme](text)


def _divided(stored: str) -> tuple[str, bytes]:
    """(scheme in upper case, hash). A hash of crypt(3) or Argon2 names its method itself. Raises Malformed."""
    stored, _ = scram_words.divided(stored)
    match = _WITH_SCHEME.fullmatch(stored)
    scheme = match[1].upper() if match else next((name for start, name in _IMPLIED.items() if stored.startswith(start)), "")
    if not scheme:
        raise Malformed("no scheme: write {ARGON2ID}..., {SHA512-CRYPT}..., {PLAIN}...")
    if scheme not in _SCHEMES:
        raise Malformed(f"unknown scheme {{{scheme}}}")
    try:
        return scheme, (match[2] if match else stored).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Malformed("what is stored is no text") from None


_WITH_SCHEME: Final = re.compile(r"\{([A-Za-z0-9.-]{1,24})\}(.*)", re.DOTALL)
_IMPLIED: Final[Mapping[str, str]] = {
    "$argon2": "ARGON2ID",
    "$2": "BLF-CRYPT",
    "$6$": "SHA512-CRYPT",
    "$5$": "SHA256-CRYPT",
    "$y$": "CRYPT",
}


def _argon2_shape(text: bytes) -> None:
    try:
        costs = extract_parameters(text.decode("ascii"))
    except (InvalidHashError, ValueError):
        raise Malformed("no hash of Argon2") from None
    if costs.memory_cost > _MOST_MEMORY or costs.time_cost > _MOST_PASSES or costs.parallelism > _MOST_PASSES:
        raise Malformed("a hash of Argon2 that costs more than is allowed")


def _argon2(text: bytes, password: bytes) -> bool:
    _argon2_shape(text)
    try:
        return HASHER.verify(text, password)
    except VerifyMismatchError:
        return False
    except (Argon2Error, InvalidHashError):
        raise Malformed("no hash of Argon2") from None


_Costly = Callable[["re.Match[bytes]"], bool]
_CRYPT_FORMS: Final[tuple[tuple["re.Pattern[bytes]", _Costly], ...]] = (
    (re.compile(rb"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}"), lambda match: int(match[1]) > _MOST_BCRYPT),
    (
        re.compile(rb"\$[56]\$(?:rounds=(\d{1,9})\$)?[^$:\n]{1,16}\$[./A-Za-z0-9]{43,86}"),
        lambda match: int(match[1] or 0) > _MOST_ROUNDS,
    ),
    # yescrypt, of which the first letter behind the j says how much memory: up to 128 MiB where the second is no more than T.
    (re.compile(rb"\$y\$j(.)(.)\$[./A-Za-z0-9$]{10,200}"), lambda match: not (b"/" <= match[1] <= b"C" and match[2] <= b"T")),
    (re.compile(rb"\$1\$[^$:\n]{1,8}\$[./A-Za-z0-9]{22}"), lambda match: False),
    (re.compile(rb"[./A-Za-z0-9]{13}"), lambda match: False),
)
"""How a hash is written, and whether it costs too much."""


def _crypt_shape(text: bytes) -> None:
    for form, is_costly in _CRYPT_FORMS:
        match = form.fullmatch(text)
        if match:
            if is_costly(match):
                raise Malformed("a hash of crypt(3) that costs more than is allowed")
            return
    raise Malformed("no hash of crypt(3)")


def _crypt(text: bytes, password: bytes) -> bool:
    _crypt_shape(text)
    found = crypt(password, text)
    return found is not None and hmac.compare_digest(found, text)


def _plain(text: bytes, password: bytes) -> bool:
    return hmac.compare_digest(text, password)


def _scram_shape(scheme: str, text: bytes) -> scram_words.Kept:
    kept = scram_words.read(f"{{{scheme}}}{text.decode('ascii', 'replace')}")
    if kept is None:
        raise Malformed("no SCRAM keys, or some that cost more than is allowed")
    return kept[scram_words.SCHEMES[scheme]]


def _scram(scheme: str, text: bytes, password: bytes) -> bool:
    return scram_words.verify(scram_words.SCHEMES[scheme], _scram_shape(scheme, text), password)


_Form = Callable[[bytes], bytes]


def _base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


def _digest(name: str, form: _Form | None, salted: bool, text: bytes, password: bytes) -> bool:
    """`form`: how the digest is written; None: in hexadecimal or in base64, which its length tells."""
    raw = _raw(name, form, salted, text)
    size = hashlib.new(name).digest_size
    return hmac.compare_digest(hashlib.new(name, password + raw[size:]).digest(), raw[:size])


def _raw(name: str, form: _Form | None, salted: bool, text: bytes) -> bytes:
    """The digest and its salt. Raises Malformed."""
    size = hashlib.new(name).digest_size
    try:
        raw = (form or (binascii.unhexlify if len(text) == 2 * size else _base64))(text)
    except ValueError:
        raise Malformed("a digest that cannot be read") from None
    if len(raw) <= size if salted else len(raw) != size:
        raise Malformed("a digest of another length")
    return raw


def _digests() -> tuple[dict[str, _Verify], dict[str, Callable[[bytes], object]]]:
    verify: dict[str, _Verify] = {}
    shapes: dict[str, Callable[[bytes], object]] = {}
    for scheme, name in (("SHA", "sha1"), ("SHA1", "sha1"), ("SHA256", "sha256"), ("SHA512", "sha512")):
        for suffix, form in (("", None), (".B64", _base64), (".HEX", binascii.unhexlify)):
            for salt, salted in (("", False), ("S", True)):
                # A digest with a salt has no length of its own, so that without a suffix it is base64 (Dovecot).
                how = _base64 if salted and form is None else form
                verify[f"{salt}{scheme}{suffix}"] = partial(_digest, name, how, salted)
                shapes[f"{salt}{scheme}{suffix}"] = partial(_raw, name, how, salted)
    return verify, shapes


_DIGESTS, _DIGEST_SHAPES = _digests()
_CRYPT: Final = ("CRYPT", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT", "DES-CRYPT")
_ARGON2: Final = ("ARGON2ID", "ARGON2I")
_SLOW: Final = frozenset((*_CRYPT, *_ARGON2, *scram_words.SCHEMES))
_SCHEMES: Final[Mapping[str, _Verify]] = {
    **dict.fromkeys(_ARGON2, _argon2),
    **dict.fromkeys(_CRYPT, _crypt),
    **dict.fromkeys(("PLAIN", "CLEAR", "CLEARTEXT"), _plain),
    **{scheme: partial(_scram, scheme) for scheme in scram_words.SCHEMES},
    **_DIGESTS,
}
_SHAPES: Final[Mapping[str, Callable[[bytes], object]]] = {
    **dict.fromkeys(_ARGON2, _argon2_shape),
    **dict.fromkeys(_CRYPT, _crypt_shape),
    **{scheme: partial(_scram_shape, scheme) for scheme in scram_words.SCHEMES},
    **_DIGEST_SHAPES,
}
