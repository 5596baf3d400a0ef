"""What mechanisms, and those who run them, speak: secrets, questions for whoever knows the users, and how an exchange ends."""

from collections.abc import Generator

from msgspec import Struct


class Secret:
    """What only its owner and whoever checks it may read: a password, a key, a token. No text that is made of one shows it, and it
    cannot be written down by accident: no encoder takes it."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written down")


class Credentials(Struct, frozen=True):
    """Whom a client logs in as. `password`: for bearer mechanisms the token; `authorization_id`: as whom it wants to act, where it
    is to say so."""

    user: str
    password: Secret
    authorization_id: str = ""


# --- questions: what a mechanism cannot know by itself ---


class IsPassword(Struct, frozen=True):
    """Is this the user's password? Answered by Accepted."""

    user: str
    password: Secret


class PasswordOf(Struct, frozen=True):
    """What is the user's password, in the clear, as CRAM-MD5 needs it? Answered by Keys."""

    user: str


class ScramKeysOf(Struct, frozen=True):
    """What is kept of the user's password for SCRAM? Answered by ScramKeys. `digest`: sha1 or sha256."""

    user: str
    digest: str


class IsToken(Struct, frozen=True):
    """Is this a token (RFC 6750) of the user's, that is good here and now? Answered by Accepted, with the name that the token
    stands for. `user`: empty where the client does not say."""

    user: str
    token: Secret


class HasShown(Struct, frozen=True):
    """What the client has shown of what it knows was `right`, or was not: may it be that user? Asked after a question for keys,
    before the client hears anything of it, so that wrong answers are counted and delayed as wrong passwords are. Answered by
    Accepted."""

    user: str
    right: bool


Question = IsPassword | PasswordOf | ScramKeysOf | IsToken | HasShown


# --- verdicts: what whoever knows the users says ---


class Accepted(Struct, frozen=True):
    """It is right. `user`: by which name the user is known from here on."""

    user: str


class Keys(Struct, frozen=True):
    """What was asked for. `user`: as in Accepted, once the client has shown that it knows the password."""

    user: str
    password: Secret


class KeyPair(Struct, frozen=True):
    """What is kept of one password (RFC 5802 §3)."""

    stored_key: Secret
    server_key: Secret


class ScramKeys(Struct, frozen=True):
    """What was asked for. `user`: as in Keys; `pairs`: of each of the user's passwords, all of this salt and iterations."""

    user: str
    salt: bytes
    iterations: int
    pairs: tuple[KeyPair, ...]


class Refused(Struct, frozen=True):
    """It is wrong, or there is no such user, or the user may not. `reason`: for log and client; it tells nobody which of these."""

    reason: str = "authentication failure"


class TokenRefused(Refused, frozen=True):
    """The token lets nobody in. For the client's program (RFC 7628 §3.2.2), each empty where there is nothing to say: `status`: the
    error (RFC 6750 §3.1); `scope`: what the token has to allow; `configuration`: the URL of its issuer's configuration."""

    status: str = "invalid_token"
    scope: str = ""
    configuration: str = ""


class Unavailable(Struct, frozen=True):
    """Nobody can say now: the client may try again (454), and a right password is never called wrong (535). `reason`: for the
    log."""

    reason: str


Verdict = Accepted | Keys | ScramKeys | Refused | Unavailable


# --- an exchange ---


class Challenge(Struct, frozen=True):
    """What the client is asked, before base64."""

    octets: bytes


class Login(Struct, frozen=True):
    """How an exchange ends well. `user`: who it is; nobody acts for anybody else."""

    user: str


class Failed(Exception):
    """How it ends else. The text is for log and client: no secret, nothing of what the client sent. `user`: who the client said
    that it is, None where it did not."""

    def __init__(self, reason: str = "authentication failure", user: str | None = None) -> None:
        super().__init__(reason)
        self.user = user


class Malformed(Failed):
    """The client does not speak the mechanism."""


Step = Challenge | Question
Reply = bytes | Accepted | Keys | ScramKeys | Refused
ServerExchange = Generator[Step, Reply, Login]
"""Yields challenges, and is sent the responses; yields questions, and is sent verdicts. Returns, or raises Failed."""

ClientExchange = Generator[bytes, bytes, None]
"""Yields what to send, before base64, first the initial response (empty: none), and is sent the server's challenges. Raises Failed
where a challenge is none of the mechanism, or the server does not prove what it has to."""


def check_end(exchange: ClientExchange) -> None:
    """The server has let us in. Raises Failed where it should have proved who it is before that: what it would have been asked for
    is shown to it no more."""
    try:
        exchange.send(b"")
    except StopIteration:
        return


def ask_client(octets: bytes) -> Generator[Step, Reply, bytes]:
    """The response to a challenge."""
    response = yield Challenge(octets)
    assert isinstance(response, bytes)
    return response


def check_password(user: str, password: bytes) -> Generator[Step, Reply, str]:
    """By which name the user is known whose password it is. Raises Failed."""
    if not password:
        raise Failed(user=user)  # LDAP takes a bind with an empty password for an anonymous one (RFC 4513 §5.1.2)
    verdict = yield IsPassword(user, Secret(password))
    if isinstance(verdict, Accepted):
        return verdict.user
    raise _failure(verdict, user)


def password_of(user: str) -> Generator[Step, Reply, Keys | None]:
    """The user's password; None where there is no such user, which the client is not to notice: `has_shown` comes all the same."""
    verdict = yield PasswordOf(user)
    return verdict if isinstance(verdict, Keys) else None


def has_shown(user: str, *, right: bool) -> Generator[Step, Reply, None]:
    """To be gone through after a question for keys, once the client's answer is known to be right or wrong. Raises Failed."""
    verdict = yield HasShown(user, right)
    if not right or not isinstance(verdict, Accepted):
        raise _failure(verdict if isinstance(verdict, Refused) else Refused(), user)


def _failure(verdict: Reply, user: str) -> Failed:
    assert isinstance(verdict, Refused)
    return Failed(verdict.reason, user)


LONGEST_NAME = 255
"""Octets of a user's name."""


def user_name(octets: bytes) -> str:
    """A name as a client gives it. Raises Malformed for one that no user has: that is no UTF-8 (RFC 4616 §2), has control
    characters, which would say something else to the next protocol, is empty, or longer than LONGEST_NAME."""
    try:
        name = octets.decode()
    except UnicodeDecodeError:
        raise Malformed("invalid user name") from None
    if not 0 < len(octets) <= LONGEST_NAME or not name.isprintable():
        raise Malformed("invalid user name")
    return name
