"""A circuit breaker: who is away is asked now and then only, and everybody else has the declared failure at once.

It never lets anybody pass: it raises StreamFailure (AWAY), and whoever asks does what he does when there is no answer.

What counts as a failure in a row: a connection that cannot be made, whoever wanted it; an exchange that fails, once an owner. So
a sender whose mail makes the server fail shuts nobody out alone.

Owners whose exchanges made the server count as away are suspects: perhaps it is their mail that it fails at.

- Where nothing else went wrong, whoever is none of them may ask at once whether the server answers him.
- They have probes of their own and take none from others.
- Once the server is back, each of them may ask, and is shut out alone, from one probe to the next, while his exchange fails again.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

from msgspec import Struct

from gatepost.net.stream_port import NOT_ASKED, UNREACHED, BreakerRules, StreamFailure, Trouble

_SPREAD = 0.1
"""The share of an interval that is added by chance, so that workers do not probe in step."""

_MOST_SUSPECTS = 1000


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
        self._suspects: dict[str, float] = {}
        """Each, and when he may ask again while the server is there for others."""
        self._since: float | None = None
        self._probes, self._probes_of_suspects = Probes(0.0), Probes(0.0)

    @property
    def away(self) -> bool:
        """Whether the server counts as away."""
        return self._since is not None

    def check(self, owner: str) -> None:
        """Raises StreamFailure where this owner may not ask now."""
        now = self._clock()
        if self._since is not None:
            allowed = not (probes := self._probes_for(owner)).underway and now >= probes.at
        else:
            allowed = now >= self._suspects.get(owner, now)
        if not allowed:
            raise StreamFailure(Trouble.AWAY)

    def attempt(self, owner: str = "") -> "Attempt":
        """One question for `owner`, which may be a probe. Raises StreamFailure where he may not ask now."""
        self.check(owner)
        if self._since is None:
            if owner in self._suspects:
                self._suspects[owner] = self._next_probe()
            return Attempt(self, owner, None)
        probes = self._probes_for(owner)
        probes.underway, probes.at = True, self._next_probe()
        return Attempt(self, owner, probes)

    def left(self, probes: "Probes", *, told: bool) -> None:
        """A probe is over. One that was broken off before it could tell anything leaves its place to the next."""
        probes.underway = False
        if not told:
            probes.at = self._clock()

    def worked(self, owner: str) -> None:
        """The server has answered."""
        self._failures = 0
        self._owners.clear()
        self._suspects.pop(owner, None)
        if self._since is not None:
            since, self._since = self._since, None
            now = self._clock()
            self._suspects = dict.fromkeys(self._suspects, now)
            self._tell(Back(self._server, self._source, now - since))

    def failed(self, owner: str, failure: StreamFailure) -> None:
        """It has not."""
        if failure.trouble in NOT_ASKED or not self._rules.failures:
            return
        reached = bool(owner) and failure.trouble not in UNREACHED
        if self._since is not None:
            if reached:
                self._suspect((owner,))
        elif not reached:
            self._failures += 1
            self._judge(failure)
        elif owner not in self._suspects:
            self._owners.add(owner)
            self._judge(failure)

    def _judge(self, failure: StreamFailure) -> None:
        """Whether that was one failure too many."""
        count = self._failures + len(self._owners)
        if count < self._rules.failures:
            return
        self._since = self._clock()
        self._suspect(self._owners)
        self._probes = Probes(self._next_probe() if self._failures else self._since)
        self._probes_of_suspects = Probes(self._next_probe())
        self._tell(Away(self._server, self._source, count, failure.words, self._rules.interval))

    def _suspect(self, owners: Iterable[str]) -> None:
        self._suspects |= dict.fromkeys(owners, self._next_probe())
        while len(self._suspects) > _MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]

    def _probes_for(self, owner: str) -> "Probes":
        return self._probes_of_suspects if owner in self._suspects else self._probes

    def _next_probe(self) -> float:
        return self._clock() + self._rules.interval * (1 + _SPREAD * self._random())


class Probes:
    """Questions that are to show whether a server is back, one at a time. `at`: when the next may be asked."""

    __slots__ = ("at", "underway")

    def __init__(self, at: float) -> None:
        self.at = at
        self.underway = False


class Attempt:
    """One question, or several over a connection of one's own. `probe`: it is asked to see whether the server is back. Whoever asks
    says when there was an answer; a StreamFailure that leaves the block says that there was none."""

    __slots__ = ("_breaker", "_owner", "_probes", "_told")

    def __init__(self, breaker: Breaker, owner: str, probes: Probes | None) -> None:
        self._breaker, self._owner, self._probes = breaker, owner, probes
        self._told = False

    @property
    def probe(self) -> bool:
        return self._probes is not None

    def worked(self) -> None:
        """There was an answer."""
        self._told = True
        self._breaker.worked(self._owner)

    def failed(self, failure: StreamFailure) -> None:
        """There was none."""
        self._told = True
        self._breaker.failed(self._owner, failure)

    def leave(self) -> None:
        """Nothing more will be asked."""
        if self._probes is not None:
            self._breaker.left(self._probes, told=self._told)

    @contextmanager
    def until_it_lasts(self) -> Iterator["Attempt"]:
        """A block after which the attempt goes on, unless it failed."""
        try:
            yield self
        except BaseException as problem:
            self.__exit__(type(problem), problem, None)
            raise

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(problem, StreamFailure) and not self._told:
            self.failed(problem)
        self.leave()
