"""`auxprop` with sasldb: the file in which Cyrus SASL keeps passwords in the clear (saslpasswd2(8)), read-only.

It is read again when it has changed. Failure: Unavailable where it cannot be read; what was read before is of no use then.
"""

import hmac
import os
from collections.abc import Mapping
from typing import Final

from gatepost.auth.backends.hashing import Busy, Hashing
from gatepost.auth.backends.names import with_realm
from gatepost.auth.backends.reread import Reread
from gatepost.auth.port import Attempt
from gatepost.lookup.berkeley_db import NotReadable, pairs
from gatepost.mail.address import to_bytes
from gatepost.proto.sasl.port import Accepted, IsPassword, Keys, PasswordOf, Question, Refused, Secret, Unavailable, Verdict

LONGEST_FILE: Final = 64 * 1024 * 1024
"""Octets."""

_PASSWORD: Final = b"userPassword"
"""The property of a user that we ask for."""

Passwords = Mapping[tuple[bytes, bytes], Secret]
"""By user and realm."""


def read(path: str) -> Passwords:
    """The passwords of a file. Raises OSError, NotReadable."""
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        if os.fstat(file.fileno()).st_size > LONGEST_FILE:
            raise NotReadable(f"longer than {LONGEST_FILE} octets")
        properties = [(key.split(b"\0"), value) for key, value in pairs(file)]
    return {(key[0], key[1]): Secret(value) for key, value in properties if len(key) == 3 and key[2] == _PASSWORD and value}


class Sasldb:
    """A Checker. `hashing`: its threads read the file; `realm`: of names that have none (smtpd_sasl_local_domain), else our own
    name, as in Cyrus SASL."""

    answers: frozenset[type[Question]] = frozenset((IsPassword, PasswordOf))

    def __init__(self, path: str, hashing: Hashing, realm: str) -> None:
        self._path = path
        self._file: Reread[Passwords] = Reread(path, hashing, read, {})
        self._realm = realm

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        try:
            passwords, _ = await self._file.current()
        except Busy as busy:
            return Unavailable(str(busy))
        except (OSError, NotReadable) as error:
            return Unavailable(f"{self._path}: {error.strerror if isinstance(error, OSError) else error}")
        name = with_realm(question.user, self._realm)
        login, at, realm = name.partition("@")
        return _verdict(question, name, passwords.get((to_bytes(login), to_bytes(realm if at else attempt.host))))


def _verdict(question: Question, name: str, password: Secret | None) -> Verdict:
    """`password`: the user's, None where there is no such user, which takes the same steps."""
    if isinstance(question, PasswordOf):
        return Keys(name, password) if password is not None else Refused()
    assert isinstance(question, IsPassword)
    same = hmac.compare_digest((password or _NOBODYS).octets, question.password.octets)
    return Accepted(name) if same and password is not None else Refused()


_NOBODYS: Final = Secret(bytes(16))
