"""The language between a session, its log-ins, and whoever knows the users.

A back end is a Checker. What a session is given is a Sasl: our own mechanisms over a Checker (auth/mechanisms.py), or another
server that runs them itself (Dovecot's auth socket).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from gatepost.proto.sasl.mechanisms import Trait
from gatepost.proto.sasl.port import Question, Verdict
from gatepost.proto.sasl.scram_keys import Decoys


class Channel(Struct, frozen=True):
    """What a session's connection is like below SMTP. `secured`: under TLS; `bindings`: what tells it from all others, by type of
    channel binding (RFC 5056); `certified`: whom a client certificate that is trusted stands for, empty for nobody."""

    secured: bool = False
    bindings: Mapping[str, bytes] = {}
    certified: str = ""


class Attempt(Struct, frozen=True):
    """From where somebody wants to log in.

    - `service`: smtpd_sasl_service, a PAM service name;
    - `mechanism`: by which he does, in capitals;
    - `client_address`, `client_name` (`unknown` where it is not verified), `server_address`;
    - `host`: our name, myhostname;
    - `secured`: under TLS;
    - `bindings`, `certified`: of the Channel;
    - `offers_bound`: the client was offered a mechanism that is bound to the connection.
    """

    service: str
    mechanism: str
    client_address: str
    client_name: str
    server_address: str
    host: str
    secured: bool
    bindings: Mapping[str, bytes] = {}
    certified: str = ""
    offers_bound: bool = False


class Checker(Protocol):
    """Whoever knows users and their passwords: a back end, or several in turn.

    A name that it is asked about is printable text of 255 octets at most (proto/sasl/port.py, `user_name`) and else whatever a
    stranger wants; a password is any octets, not empty."""

    @property
    def answers(self) -> frozenset[type[Question]]:
        """The kinds of question that it has answers for; it is asked no other."""
        ...

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        """The answer, within a time limit of its own. Unavailable whenever nobody can say, for whatever reason outside; raises
        nothing but for a fault of ours."""
        ...


ScramDecoys = Callable[[], Awaitable[Mapping[str, Decoys]]]
"""What is told of users that there are not (SCRAM), by digest. A digest is there where each password has keys of it now: whoever
is offered SCRAM uses it, and a password without keys would be refused."""


@runtime_checkable
class ScramKeeper(Checker, Protocol):
    """A Checker that may have SCRAM keys."""

    async def decoys(self) -> Mapping[str, Decoys]:
        """As of ScramDecoys; nothing while its users cannot be read."""
        ...


class Offered(Struct, frozen=True):
    """A mechanism that clients may be offered. `name`: in capitals."""

    name: str
    traits: frozenset[Trait]


class Ask(Struct, frozen=True):
    """The client is to be asked for more. `challenge`: in base64."""

    challenge: str


class LoggedIn(Struct, frozen=True):
    """It is he."""

    user: str


class NotLoggedIn(Struct, frozen=True):
    """It is not (535). `reason`: for log and client; `user`: who the client said that it is, None where it did not."""

    reason: str
    user: str | None = None


class NotNow(Struct, frozen=True):
    """It cannot be found out now (454). `reason`: for the log; `told`: for the client, nothing of the inside; `user`: as above."""

    reason: str
    told: str = "generic failure"
    user: str | None = None


Progress = Ask | LoggedIn | NotLoggedIn | NotNow


class Conversation(Protocol):
    """An exchange under way. Texts are base64, as they came over the wire."""

    async def start(self, initial: str | None) -> Progress:
        """The first step. `initial`: the initial response, `=` for an empty one (RFC 4954 §4), None where there was none."""
        ...

    async def respond(self, response: str) -> Progress:
        """The step after an Ask."""
        ...

    def close(self) -> None:
        """It is over, or given up: the client has cancelled it, or is gone."""
        ...


class Sasl(Protocol):
    """Log-ins of one service."""

    async def offered(self) -> tuple[Offered, ...]:
        """All mechanisms that there are, in the order of their announcement. Raises NoMechanisms."""
        ...

    def converse(self, attempt: Attempt) -> Conversation:
        """An exchange of the mechanism of the attempt, which is one of those offered."""
        ...


class NoMechanisms(Exception):
    """It is not known which there are: the server that runs them does not answer. The text says why, for the log."""
