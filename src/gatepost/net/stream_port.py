"""The values of a client of stream servers: its rules, and how it fails."""

import enum
import errno
import os

from msgspec import Struct


class TimeLimits(Struct, frozen=True, kw_only=True):
    """Seconds; 0 is no limit.

    `turn`: to wait for one of the connections;
    `connect`: to find the server's addresses, to connect to one of them, and to finish its handshakes;
    `write`: for the peer to take a piece of the question;
    `read`: for the next piece of the answer to come;
    `whole`: for question and answer together;
    `renewed`: the same, however often the other end has said that it is still at work.
    """

    turn: float = 30
    connect: float = 30
    write: float = 30
    read: float = 30
    whole: float = 100
    renewed: float = 0

    @classmethod
    def all_of(cls, seconds: float, renewed: float = 0) -> "TimeLimits":
        """So long for each step, and for the whole."""
        return cls(turn=seconds, connect=seconds, write=seconds, read=seconds, whole=seconds, renewed=renewed)


class AnswerLimit(Struct, frozen=True):
    """The most of an answer. `octets`; `lines`: line feeds in it, 0 for any number."""

    octets: int = 65536
    lines: int = 0


class Reuse(Struct, frozen=True):
    """When a connection is used again.

    `idle`: seconds without use, 0: never used again;
    `age`: seconds since it was opened;
    `uses`: exchanges over one connection, 0 for any number.
    """

    idle: float = 0
    age: float = 1000
    uses: int = 0


class Retry(Struct, frozen=True):
    """How often a question is tried.

    `tries`: in all;
    `delay`: seconds between them;
    `jitter`: the share of the delay that is added by chance at most;
    `unreached`: whether also where no connection could be made.
    """

    tries: int = 1
    delay: float = 1
    jitter: float = 0
    unreached: bool = True


class Crowd(Struct, frozen=True):
    """How many may ask at one time.

    `connections`: open at one time;
    `share`: how many of them one owner may have, and no more, however many are free;
    `waiting`: how many may wait for one.
    """

    connections: int = 100
    share: int = 50
    waiting: int = 1000

    @classmethod
    def of(cls, connections: int) -> "Crowd":
        """So many connections, half of them for one owner."""
        return cls(connections, -(-connections // 2))


class BreakerRules(Struct, frozen=True):
    """When a server counts as away. `failures` in a row, 0: never; `interval`: seconds from one probe to the next."""

    failures: int = 5
    interval: float = 10


class StreamRules(Struct, frozen=True, kw_only=True):
    """All of them."""

    limits: TimeLimits = TimeLimits()
    answer: AnswerLimit = AnswerLimit()
    reuse: Reuse = Reuse()
    retry: Retry = Retry()
    crowd: Crowd = Crowd()
    breaker: BreakerRules = BreakerRules()


class Trouble(enum.Enum):
    """How an exchange can fail."""

    AWAY = "counts as away"
    BUSY = "too many are waiting for it"
    CONNECT = "cannot be reached"
    TLS = "TLS handshake failed"
    TIMEOUT = "Connection timed out"
    CLOSED = "Connection closed by peer"
    GARBAGE = "malformed answer"
    OVERLONG = "answer without end"


NOT_ASKED = frozenset({Trouble.AWAY, Trouble.BUSY})
"""The server was not asked, so that nothing more is known of it."""

UNREACHED = frozenset({Trouble.CONNECT, Trouble.TLS})
"""It had not come to the question, so that nothing in it can be to blame."""


class StreamFailure(Exception):
    """There is no answer. `trouble`: of which kind; `words`: of the system or the protocol, without addresses; `number`: errno(3),
    0 for none; `heard`: whether some of an answer had come."""

    def __init__(self, trouble: Trouble, words: str = "", *, number: int = 0, heard: bool = False) -> None:
        super().__init__(words or trouble.value)
        self.trouble = trouble
        self.words = words or trouble.value
        self.number = number
        self.heard = heard


def connect_failure(error: OSError) -> StreamFailure:
    """A connection that could not be made."""
    number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno or 0
    return StreamFailure(Trouble.CONNECT, system_words(error), number=number)


def system_words(error: OSError) -> str:
    """The system's own words for an error, without addresses and numbers."""
    if isinstance(error, TimeoutError):
        return Trouble.TIMEOUT.value
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error) or type(error).__name__
