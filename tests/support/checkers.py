"""A back end of log-ins in memory."""

import asyncio
from collections.abc import Mapping

from gatepost.auth.port import Attempt
from gatepost.proto.sasl.port import (
    Accepted,
    HasShown,
    IsPassword,
    IsToken,
    Keys,
    PasswordOf,
    Question,
    Refused,
    ScramKeys,
    ScramKeysOf,
    Secret,
    Unavailable,
    Verdict,
)
from gatepost.proto.sasl.scram_keys import DIGESTS, Decoys, Form, key_pair


def keys(user: str, password: bytes, digest: str, salt: bytes = b"salt") -> ScramKeys:
    """Those of one password, which cost little."""
    return ScramKeys(user, salt, FORM.iterations, (key_pair(password, digest, salt, FORM.iterations),))


FORM = Form(4, 4096)
DECOYS = Decoys(b"key", {FORM: 1})


async def decoys() -> Mapping[str, Decoys]:
    return dict.fromkeys(DIGESTS, DECOYS)


class Users:
    """`passwords` by user. `away`: nobody can say; `slow`: nobody ever says. `asked`: what it was asked."""

    answers: frozenset[type[Question]] = frozenset({IsPassword, PasswordOf, ScramKeysOf, IsToken, HasShown})

    def __init__(self, passwords: Mapping[str, bytes], *, away: bool = False, slow: bool = False) -> None:
        self._passwords = passwords
        self._away = away
        self._slow = slow
        self.asked: list[tuple[Question, Attempt]] = []

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        self.asked.append((question, attempt))
        if self._slow:
            await asyncio.sleep(10)
        if self._away or self._slow:
            return Unavailable("nobody there")
        if isinstance(question, IsToken):
            return self._owner(question)
        if isinstance(question, HasShown):
            return Accepted(question.user) if question.right else Refused()
        password = self._passwords.get(question.user)
        if password is None:
            return Refused()
        if isinstance(question, PasswordOf):
            return Keys(question.user, Secret(password))
        if isinstance(question, ScramKeysOf):
            return keys(question.user, password, question.digest)
        return Accepted(question.user) if question.password.octets == password else Refused()

    def _owner(self, question: IsToken) -> Verdict:
        """A password may be shown as a token too."""
        owner = next((user for user, password in self._passwords.items() if password == question.token.octets), None)
        return Accepted(owner) if owner is not None and question.user in ("", owner) else Refused()
