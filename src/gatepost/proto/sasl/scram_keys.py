"""What a server keeps of passwords for SCRAM (RFC 5802 §3), and what it tells of users that there are not."""

import hashlib
import hmac
import math
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatepost.proto.sasl.port import KeyPair, ScramKeys, Secret
from gatepost.proto.sasl.saslprep import prepared_password

ITERATIONS: Final = 65_536
"""Of keys that we make: the most that clients with Cyrus SASL do; RFC 7677 §4 asks for 4096 at least."""

SALT: Final = 16
"""Octets of a salt that we make."""

DIGESTS: Final = ("sha256", "sha1")


class Form(Struct, frozen=True):
    """What anybody who asks is told of a user's keys, beside the salt itself."""

    salt_octets: int = SALT
    iterations: int = ITERATIONS


def key_pair(password: bytes, digest: str, salt: bytes, iterations: int) -> KeyPair:
    """The keys of a password. Costs time: to be called in a thread. `digest`: sha1 or sha256."""
    salted = hashlib.pbkdf2_hmac(digest, prepared_password(password), salt, iterations)
    stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
    return KeyPair(Secret(stored), Secret(hmac.digest(salted, b"Server Key", digest)))


class Decoys(Struct, frozen=True):
    """What is told of users that there are not. Of one name it is always the same, and it looks like what is told of others.

    - `key`: octets that nobody knows, the same for all who serve these users;
    - `forms`: those of the users that there are, and how many users have each; one at least.
    """

    key: bytes
    forms: Mapping[Form, int]

    def keys(self, user: str, digest: str) -> ScramKeys:
        """Keys of which nobody has the password."""
        form = max(self.forms, key=lambda form: self._lot(user, digest, form))
        salt = hmac.digest(self.key, f"{digest} {user}".encode(), "sha512")[: form.salt_octets]
        nobodys = Secret(hmac.digest(self.key, salt, digest))
        return ScramKeys(user, salt, form.iterations, (KeyPair(nobodys, nobodys),))

    def _lot(self, user: str, digest: str, form: Form) -> float:
        """The form whose lot is highest is the user's: each as often as users have it, and a new form takes few users from others
        (weighted rendezvous hashing)."""
        drawn = hmac.digest(self.key, f"{digest} {form.salt_octets} {form.iterations} {user}".encode(), "sha256")
        return -self.forms[form] / math.log((int.from_bytes(drawn[:6], "big") + 0.5) / (1 << 48))
