"""SCRAM keys beside a stored password: `{SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY`, as Dovecot and GNU SASL write them.

They stand behind the hash, each after a space. A password is one line, and is replaced or taken back as one.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatepost.proto.sasl.port import KeyPair, Secret
from gatepost.proto.sasl.scram_keys import key_pair

MOST_ITERATIONS: Final = 1_000_000
"""Half a second."""

LONGEST_SALT: Final = 64
"""Octets."""

SCHEMES: Final[Mapping[str, str]] = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
"""Digests by scheme."""

_WORD: Final = re.compile(
    r"\{(SCRAM-SHA-(?:1|256))\}([1-9][0-9]{0,6}),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+)", re.ASCII | re.IGNORECASE
)


class Kept(Struct, frozen=True):
    """What is kept of one password."""

    salt: bytes
    iterations: int
    pair: KeyPair


def made(password: bytes, salt: bytes, iterations: int) -> str:
    """The word for a password. Costs time: to be called in a thread."""
    pair = key_pair(password, "sha256", salt, iterations)
    written = (b64encode(octets).decode() for octets in (salt, pair.stored_key.octets, pair.server_key.octets))
    return f"{{SCRAM-SHA-256}}{iterations},{','.join(written)}"


def divided(stored: str) -> tuple[str, Mapping[str, Kept]]:
    """What is stored of a password without the words behind it, and its keys by digest. Keys may be all there is."""
    found: dict[str, Kept] = {}
    while True:
        first, _, last = stored.rpartition(" ")
        keys = read(last)
        if keys is None:
            return stored, found
        found.update(keys)
        if not first:
            return stored, found
        stored = first


def read(word: str) -> Mapping[str, Kept] | None:
    """The keys of a word, by digest; None where it is none."""
    match = _WORD.fullmatch(word)
    if match is None:
        return None
    digest, iterations = SCHEMES[match[1].upper()], int(match[2])
    try:
        salt, stored, server = (b64decode(text, validate=True) for text in match.group(3, 4, 5))
    except binascii.Error:
        return None
    size = hashlib.new(digest).digest_size
    if iterations > MOST_ITERATIONS or not 0 < len(salt) <= LONGEST_SALT or (len(stored), len(server)) != (size, size):
        return None
    return {digest: Kept(salt, iterations, KeyPair(Secret(stored), Secret(server)))}


def verify(digest: str, kept: Kept, password: bytes) -> bool:
    """Whether it is the password of which these are kept. Costs time."""
    pair = key_pair(password, digest, kept.salt, kept.iterations)
    return hmac.compare_digest(pair.stored_key.octets, kept.pair.stored_key.octets)
