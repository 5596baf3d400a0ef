"""What has been found out about a client and its message on the way in: a collection of typed values.

Whoever finds something out (SPF, greylisting, an address list in the DNS, a login) adds a frozen value of a type of its own;
whoever decides later, writes a header or a log line asks for that type.
"""

import enum
from typing import TypeVar

from msgspec import Struct

MOST_OF_A_TYPE = 1000
"""Values of one type that are kept; the oldest goes for one more, so that a session without end stays small."""

_Fact = TypeVar("_Fact", bound=Struct)


class Scope(enum.Enum):
    """How long something is true: for the client whatever it sends (a DNS list), or for this message (SPF of its sender)."""

    SESSION = "session"
    MESSAGE = "message"


class Evidence:
    """Facts by their type. Equal ones are one; all are frozen."""

    __slots__ = ("_message", "_session")

    def __init__(self) -> None:
        self._session: dict[type[Struct], dict[Struct, None]] = {}
        self._message: dict[type[Struct], dict[Struct, None]] = {}

    def add(self, fact: Struct, scope: Scope = Scope.MESSAGE) -> None:
        """One more fact, the latest of its type."""
        of_type = (self._session if scope is Scope.SESSION else self._message).setdefault(type(fact), {})
        of_type.pop(fact, None)
        of_type[fact] = None
        if len(of_type) > MOST_OF_A_TYPE:
            del of_type[next(iter(of_type))]

    def get(self, kind: type[_Fact]) -> _Fact | None:
        """The latest fact of a type: what is true of this message before what is true of the session."""
        found = self.all(kind)
        return found[-1] if found else None

    def all(self, kind: type[_Fact]) -> tuple[_Fact, ...]:
        """The facts of a type, those of the session first, each in the order of their coming."""
        return (*self._session.get(kind, ()), *self._message.get(kind, ()))

    def everything(self) -> tuple[Struct, ...]:
        """All facts, for the log."""
        return tuple(fact for scope in (self._session, self._message) for of_type in scope.values() for fact in of_type)

    def end_message(self) -> None:
        """Forget what was true of one message."""
        if self._message:
            self._message.clear()

    def clear(self) -> None:
        """Forget everything: it is another client now (XCLIENT), or what it said in the clear does not count (STARTTLS)."""
        self._session.clear()
        self._message.clear()
