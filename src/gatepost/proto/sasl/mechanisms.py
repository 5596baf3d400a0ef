"""Which mechanisms there are, and what each is like."""

import enum
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from gatepost.proto.sasl import cram_md5, login, plain
from gatepost.proto.sasl.port import ClientExchange, Credentials, IsPassword, PasswordOf, Question, ServerExchange


class Trait(enum.StrEnum):
    """What a mechanism is like, by the words of Dovecot's auth protocol."""

    ANONYMOUS = "anonymous"
    PLAINTEXT = "plaintext"
    DICTIONARY = "dictionary"
    ACTIVE = "active"
    FORWARD_SECRECY = "forward-secrecy"
    MUTUAL_AUTH = "mutual-auth"
    PRIVATE = "private"


class Setting(Struct, frozen=True):
    """What a server's side of an exchange may need. `nonce`: text that was never used before, and that nobody guesses; `host`: our
    name."""

    nonce: str
    host: str


class Mechanism(Struct, frozen=True):
    """`asks`: the question that has to be answered for a server to have it;
    `takes_initial_response`: AUTH may bring what the first challenge asks for (RFC 4954 §4)."""

    name: str
    traits: frozenset[Trait]
    asks: type[Question]
    takes_initial_response: bool
    server: Callable[[Setting], ServerExchange]
    client: Callable[[Credentials], ClientExchange]


_SENT: Final = frozenset({Trait.PLAINTEXT})
_GUESSABLE: Final = frozenset({Trait.DICTIONARY, Trait.ACTIVE})

MECHANISMS: Final[Mapping[str, Mechanism]] = {
    mechanism.name: mechanism
    for mechanism in (
        Mechanism("CRAM-MD5", _GUESSABLE, PasswordOf, False, lambda at: cram_md5.server(at.nonce, at.host), cram_md5.client),
        Mechanism("PLAIN", _SENT, IsPassword, True, lambda at: plain.server(), plain.client),
        Mechanism("LOGIN", _SENT, IsPassword, True, lambda at: login.server(), login.client),
    )
}
"""By preference of a client."""
