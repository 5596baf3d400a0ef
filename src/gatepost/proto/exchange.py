"""A question to a server and its answer, sans-IO: octets out, octets in, a result. net/stream_client.py drives it.

Whatever asks another program is one of these: a policy request, a scan by clamd or spamd, a look-up in a tcp or socketmap table,
a step of a milter session. The whole protocol stands here; connections, time limits and retries stand there.
"""

from collections.abc import Iterable
from math import inf
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")


class ProtocolError(Exception):
    """The other end does not speak the protocol; the connection is of no more use."""


class Exchange(Generic[T]):
    """One question and its answer. Made anew for each try.

    `idempotent`: whether it may be asked twice without harm, so that a kept connection that turns out closed is opened anew;
    `server_first`: whether the server may speak before it is asked (a greeting);
    `half_close`: whether our side of the connection is shut after the question (spamd);
    `done`: whether `answer` is whole;
    `renewed`: the other end has said that it is still at work, so that its time begins anew;
    `until`: when nobody waits for it any more, however often it says so, by the clock of whoever drives it;
    `reusable`: whether the connection is then fit for another question.
    """

    idempotent: ClassVar[bool] = True
    half_close: ClassVar[bool] = False

    server_first: bool = False
    done: bool = False
    renewed: bool = False
    until: float = inf
    reusable: bool = True
    answer: T

    def question(self) -> Iterable[bytes]:
        """What to send, in pieces. The next piece is taken when the network has room for it, and none after the answer, which may
        come early (a scanner that has seen enough)."""
        raise NotImplementedError

    def feed(self, octets: bytes) -> bytes:
        """Take in what came; returns what to say to that. Raises ProtocolError."""
        raise NotImplementedError

    def ended(self) -> None:
        """Nothing more will come. Sets `done` where that ends the answer; else it was cut short."""

    def finish(self, answer: T, *, reusable: bool = True) -> None:
        """The answer is whole."""
        self.answer, self.reusable, self.done = answer, reusable, True
