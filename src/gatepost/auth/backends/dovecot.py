"""`dovecot`: Dovecot's authentication server says whether a password is right: we log in there by PLAIN, in the client's stead."""

from base64 import b64encode
from typing import Protocol

from msgspec.structs import replace

from gatepost.auth.port import Attempt, Conversation, LoggedIn, NotLoggedIn, NotNow
from gatepost.mail.address import to_bytes
from gatepost.proto.sasl.port import Accepted, IsPassword, Question, Refused, Unavailable, Verdict


class Converses(Protocol):
    """Who runs mechanisms (auth/dovecot.py)."""

    def converse(self, attempt: Attempt) -> Conversation: ...


class DovecotUsers:
    """A Checker. Dovecot is told of the client as it is: what it demands of it (TLS, a network) it demands of us."""

    answers: frozenset[type[Question]] = frozenset((IsPassword,))

    def __init__(self, server: Converses) -> None:
        self._server = server

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsPassword)
        if b"\0" in question.password.octets:
            return Refused()  # which PLAIN has no place for (RFC 4616 §2)
        told = b"\0" + to_bytes(question.user) + b"\0" + question.password.octets
        conversation = self._server.converse(replace(attempt, mechanism="PLAIN"))
        try:
            progress = await conversation.start(b64encode(told).decode())
        finally:
            conversation.close()
        if isinstance(progress, LoggedIn):
            return Accepted(progress.user)
        if isinstance(progress, NotLoggedIn):
            return Refused()
        return Unavailable(progress.reason if isinstance(progress, NotNow) else "it asks for more than a password")
