"""Which mechanisms there are, and what each is like."""

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from msgspec import Struct

from gatepost.proto.sasl import bearer, cram_md5, external, login, plain, scram
from gatepost.proto.sasl.port import (
    ClientExchange,
    Credentials,
    IsPassword,
    IsToken,
    PasswordOf,
    Question,
    ScramKeysOf,
    ServerExchange,
)
from gatepost.proto.sasl.scram_keys import Decoys, Form


class Trait(enum.StrEnum):
    """What a mechanism is like, by the words of Dovecot's auth protocol."""

    ANONYMOUS = "anonymous"
    PLAINTEXT = "plaintext"
    DICTIONARY = "dictionary"
    ACTIVE = "active"
    FORWARD_SECRECY = "forward-secrecy"
    MUTUAL_AUTH = "mutual-auth"
    PRIVATE = "private"


class HasTraits(Protocol):
    """A mechanism, whoever runs it."""

    @property
    def name(self) -> str: ...

    @property
    def traits(self) -> frozenset[Trait]: ...


_MUST_NOT: Final[Mapping[str, Trait]] = {
    "noanonymous": Trait.ANONYMOUS,
    "noplaintext": Trait.PLAINTEXT,
    "nodictionary": Trait.DICTIONARY,
    "noactive": Trait.ACTIVE,
}
_MUST: Final[Mapping[str, Trait]] = {"forward_secrecy": Trait.FORWARD_SECRECY, "mutual_auth": Trait.MUTUAL_AUTH}


def allowed(mechanisms: Iterable[HasTraits], options: Iterable[str]) -> tuple[str, ...]:
    """The names of the mechanisms that the security options allow, in their order."""
    forbidden = {_MUST_NOT[option] for option in options if option in _MUST_NOT}
    demanded = {_MUST[option] for option in options if option in _MUST}
    return tuple(one.name for one in mechanisms if not one.traits & forbidden and one.traits >= demanded)


class Setting(Struct, frozen=True):
    """What a server's side of an exchange may need.

    - `nonce`: text that was never used before, and that nobody guesses;
    - `host`: our name;
    - `bindings`: data of the TLS connection by type of channel binding; empty where there is none;
    - `offers_bound`: the client was offered a mechanism that is bound to it;
    - `certified`: whom the client's certificate stands for, empty for nobody;
    - `decoys`: what is told of users that there are not.
    """

    nonce: str
    host: str
    bindings: Mapping[str, bytes] = {}
    offers_bound: bool = False
    certified: str = ""
    decoys: Decoys = Decoys(b"", {Form(): 1})


class ClientSetting(Struct, frozen=True):
    """What a client's side may need. `nonce`, `bindings`: as of Setting; `host`, `port`: the server's; `offers_bound`: the server
    offers a mechanism that is bound to the connection."""

    nonce: str = ""
    host: str = ""
    port: int = 0
    bindings: Mapping[str, bytes] = {}
    offers_bound: bool = False


class Mechanism(Struct, frozen=True):
    """- `asks`: the question that has to be answered for a server to have it, None for none;
    - `takes_initial_response`: AUTH may bring what the first challenge asks for (RFC 4954 §4);
    - `client`: None where it is a server's only;
    - `bound`: there has to be something of the TLS connection to bind it to;
    - `by_certificate`: the client has to have shown a certificate that is trusted;
    - `digest`: of the keys that there have to be of each password, empty for none.
    """

    name: str
    traits: frozenset[Trait]
    asks: type[Question] | None
    takes_initial_response: bool
    server: Callable[[Setting], ServerExchange]
    client: Callable[[Credentials, ClientSetting], ClientExchange] | None
    bound: bool = False
    by_certificate: bool = False
    digest: str = ""


_SENT: Final = frozenset({Trait.PLAINTEXT, Trait.DICTIONARY, Trait.ACTIVE})
_GUESSABLE: Final = frozenset({Trait.DICTIONARY, Trait.ACTIVE})
_PROVED: Final = frozenset({Trait.DICTIONARY, Trait.MUTUAL_AUTH})
"""Whoever hears an exchange may try passwords on it."""


def _scram(name: str, digest: str, *, bound: bool) -> Mechanism:
    def server(at: Setting) -> ServerExchange:
        return scram.server(digest, at.nonce, scram.Binding(bound, at.offers_bound, at.bindings), at.decoys)

    def client(who: Credentials, at: ClientSetting) -> ClientExchange:
        return scram.client(who, digest, at.nonce, scram.Binding(bound, at.offers_bound, at.bindings))

    return Mechanism(name, _PROVED, ScramKeysOf, True, server, client, bound=bound, digest=digest)


MECHANISMS: Final[Mapping[str, Mechanism]] = {
    mechanism.name: mechanism
    for mechanism in (
        _scram("SCRAM-SHA-256-PLUS", "sha256", bound=True),
        _scram("SCRAM-SHA-1-PLUS", "sha1", bound=True),
        _scram("SCRAM-SHA-256", "sha256", bound=False),
        _scram("SCRAM-SHA-1", "sha1", bound=False),
        Mechanism("CRAM-MD5", _GUESSABLE, PasswordOf, False, lambda at: cram_md5.server(at.nonce, at.host),
                  lambda who, at: cram_md5.client(who)),
        Mechanism("PLAIN", _SENT, IsPassword, True, lambda at: plain.server(), lambda who, at: plain.client(who)),
        Mechanism("LOGIN", _SENT, IsPassword, True, lambda at: login.server(), lambda who, at: login.client(who)),
        Mechanism("OAUTHBEARER", _SENT, IsToken, True, lambda at: bearer.oauthbearer_server(),
                  lambda who, at: bearer.oauthbearer_client(who, at.host, at.port)),
        Mechanism("XOAUTH2", _SENT, IsToken, True, lambda at: bearer.xoauth2_server(), lambda who, at: bearer.xoauth2_client(who)),
        Mechanism("EXTERNAL", frozenset(), None, True, lambda at: external.server(at.certified), None, by_certificate=True),
    )
}  # fmt: skip
"""By preference of a client: a password is never shown as a token where it can be used as a password."""
