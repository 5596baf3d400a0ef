"""A circuit breaker: who is away is asked now and then only, and everybody else has the declared failure at once.

It never lets anybody pass: it raises StreamFailure (AWAY), and whoever asks does what he does when there is no answer.

What counts as a failure in a row: a connection that cannot be made, whoever wanted it; an exchange that fails, once an owner. So
a sender whose mail makes the server fail shuts nobody out alone.
"""

from collections.abc import Callable
from types import TracebackType

from msgspec import Struct

from gatepost.net.stream_port import NOT_ASKED, UNREACHED, BreakerRules, StreamFailure, Trouble

_SPREAD = 0.1
"""The share of an interval that is added by chance, so that workers do not probe in step."""


class Away(Struct, frozen=True):
    """`server` counts as away after so many `failures`, the last for the reason `words`; a probe every `interval` seconds.
    `source`: what in the configuration names it."""

    server: str
    source: str
    failures: int
    words: str
    interval: float

    def __str__(self) -> str:
        return (
            f"{self.source}: server {self.server} counts as away after {self.failures} failures ({self.words}): "
            f"asked again every {self.interval:g} s, with the failure action meanwhile"
        )


class Back(Struct, frozen=True):
    """`server` answers again, after so many `seconds`."""

    server: str
    source: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.source}: server {self.server} answers again after {self.seconds:.0f} s"


Tell = Callable[[Away | Back], None]
"""Who is told, once on the way down and once up."""


class Breaker:
    """`clock`: seconds that only go forward; `random`: a number from 0 to below 1."""

    def __init__(
        self,
        server: str,
        source: str,
        rules: BreakerRules,
        clock: Callable[[], float],
        random: Callable[[], float],
        tell: Tell,
    ) -> None:
        self._server, self._source, self._rules = server, source, rules
        self._clock, self._random, self._tell = clock, random, tell
        self._failures = 0
        self._owners: set[str] = set()  # of exchanges that failed since the last that went well
        self._since: float | None = None
        self._probe_at = 0.0
        self._probing = False

    @property
    def away(self) -> bool:
        """Whether the server counts as away."""
        return self._since is not None

    def check(self) -> None:
        """Raises StreamFailure where nobody may ask now."""
        if self._since is not None and (self._probing or self._clock() < self._probe_at):
            raise StreamFailure(Trouble.AWAY)

    def attempt(self, owner: str = "") -> "Attempt":
        """One question for `owner`, which may be a probe. Raises StreamFailure where nobody may ask now."""
        self.check()
        probe = self._since is not None
        if probe:
            self._probing = True
            self._await_probe()
        return Attempt(self, owner, probe)

    def left(self, *, told: bool) -> None:
        """A probe is over. One that was broken off before it could tell anything leaves its place to the next."""
        self._probing = False
        if not told:
            self._probe_at = self._clock()

    def _await_probe(self) -> None:
        self._probe_at = self._clock() + self._rules.interval * (1 + _SPREAD * self._random())

    def worked(self) -> None:
        """The server has answered."""
        self._failures = 0
        self._owners.clear()
        if self._since is not None:
            since, self._since, self._probing = self._since, None, False
            self._tell(Back(self._server, self._source, self._clock() - since))

    def failed(self, owner: str, failure: StreamFailure) -> None:
        """It has not."""
        if failure.trouble in NOT_ASKED or not self._rules.failures or self._since is not None:
            return
        if failure.trouble in UNREACHED or not owner:
            self._failures += 1
        else:
            self._owners.add(owner)
        count = self._failures + len(self._owners)
        if count >= self._rules.failures:
            self._since = self._clock()
            self._await_probe()
            self._tell(Away(self._server, self._source, count, failure.words, self._rules.interval))


class Attempt:
    """One question, or several over a connection of one's own. `probe`: it is asked to see whether the server is back. Whoever asks
    says when there was an answer; a StreamFailure that leaves the block says that there was none."""

    __slots__ = ("_breaker", "_owner", "_told", "probe")

    def __init__(self, breaker: Breaker, owner: str, probe: bool) -> None:
        self._breaker, self._owner, self.probe = breaker, owner, probe
        self._told = False

    def worked(self) -> None:
        """There was an answer."""
        self._told = True
        self._breaker.worked()

    def failed(self, failure: StreamFailure) -> None:
        """There was none."""
        self._told = True
        self._breaker.failed(self._owner, failure)

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(problem, StreamFailure) and not self._told:
            self.failed(problem)
        if self.probe:
            self._breaker.left(told=self._told)
