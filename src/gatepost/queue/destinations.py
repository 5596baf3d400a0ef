"""Who waits for whom: transports, their destinations (sites), and the jobs that wait for a slot. No I/O, no clock.

A transport runs at most `process_limit` deliveries, a site at most its window. Sites take turns (round robin), so that a slow
or busy one does not hold up the others.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from gatepost.lookup.address import split_extension
from gatepost.mail.outcome import Outcome
from gatepost.mail.queued import QueuedRecipient
from gatepost.queue.schedule import Window
from gatepost.queue.settings import Limits, QueueSettings, TransportLimits

if TYPE_CHECKING:
    from gatepost.queue.results import Pass

_SEPARATOR = "\n"


class Job:
    """One delivery request to be: some recipients of a message in its active pass, for one site."""

    __slots__ = ("active", "recipients", "site")

    def __init__(self, active: "Pass", recipients: tuple[QueuedRecipient, ...], site: "Site") -> None:
        self.active = active
        self.recipients = recipients
        self.site = site


class Site:
    """A destination of a transport. `dead_until`: seconds since 1970; `verdict`: why it is dead. `paused`: between two
    deliveries that `destination_rate_delay` keeps apart."""

    __slots__ = ("busy", "dead_until", "key", "listed", "nexthop", "paused", "transport", "verdict", "waiting", "window")

    def __init__(self, transport: "Transport", nexthop: str, key: str) -> None:
        self.transport = transport
        self.nexthop = nexthop
        self.key = key
        self.window = Window(transport.limits)
        self.waiting: deque[Job] = deque()
        self.busy = 0
        self.listed = False
        self.paused = False
        self.dead_until = 0.0
        self.verdict: Outcome | None = None

    @property
    def is_open(self) -> bool:
        """Whether one more delivery may start."""
        return self.busy < self.window.size and not self.paused

    @property
    def is_idle(self) -> bool:
        return not (self.busy or self.waiting or self.verdict or self.paused)

    def die(self, verdict: Outcome, until: float) -> list[Job]:
        """The site cannot be reached: it is left alone for a while. Returns the jobs that waited for it."""
        self.verdict = verdict
        self.dead_until = until
        jobs = list(self.waiting)
        self.waiting.clear()
        return jobs

    def revive(self) -> None:
        """Start over with this site."""
        self.verdict = None
        self.window.reset()


class Transport:
    """A transport: its limits, and the sites of it for which something may start. `paused`: between two deliveries that
    `transport_rate_delay` keeps apart."""

    __slots__ = ("_most", "_ready", "busy", "limits", "name", "paused")

    def __init__(self, name: str, limits: TransportLimits) -> None:
        self.name = name
        self.limits = limits
        self.busy = 0
        self.paused = False
        self._most = 1 if limits.transport_rate_delay > 0 else limits.process_limit
        self._ready: deque[Site] = deque()

    @property
    def is_open(self) -> bool:
        """Whether one more delivery may start."""
        return not self.paused and (not self._most or self.busy < self._most)

    def enqueue(self, job: Job) -> None:
        """Let `job` wait for its turn."""
        job.site.waiting.append(job)
        self.offer(job.site)

    def offer(self, site: Site) -> None:
        """`site` may have something to start: let it take its turn."""
        if site.waiting and not site.listed and site.is_open:
            site.listed = True
            self._ready.append(site)

    def take(self) -> Job | None:
        """The next job that may start now, counted as started; None where there is none."""
        while self._ready and self.is_open:
            site = self._ready.popleft()
            site.listed = False
            if site.waiting and site.is_open:
                job = site.waiting.popleft()
                self.begin(site)
                self.offer(site)
                return job
        return None

    def begin(self, site: Site) -> None:
        site.busy += 1
        self.busy += 1

    def end(self, site: Site) -> None:
        site.busy -= 1
        self.busy -= 1


class Destinations:
    """All transports and sites that are known at the moment. `program`: what a transport runs, as in Scheduler."""

    def __init__(self, limits: Limits, settings: QueueSettings, program: Callable[[str], str] = str) -> None:
        self._limits = limits
        self._settings = settings
        self._program = program
        self._transports: dict[str, Transport] = {}
        self._sites: dict[str, Site] = {}

    def site(self, transport: str, nexthop: str, recipient: str) -> Site:
        """The site of a route. With a recipient limit of one, each recipient is a destination of its own
        (postconf(5), default_destination_recipient_limit)."""
        known = self._transports.get(transport)
        if known is None:
            known = self._transports[transport] = Transport(transport, self._limits(transport))
        key = transport + _SEPARATOR + (nexthop if "/" in nexthop else nexthop.lower())  # a path is exact, a host name is not
        if known.limits.destination_recipient_limit == 1:
            key = self._of_user(transport, key, recipient)
        site = self._sites.get(key)
        if site is None:
            site = self._sites[key] = Site(known, nexthop, key)
        return site

    def _of_user(self, transport: str, key: str, recipient: str) -> str:
        """The key of a recipient who is a destination. Extensions and the case of letters make no more of them, as in qmgr(8): a
        user's slow command would else take the slots of everybody. To local(8), neither do the names of the host."""
        settings = self._settings
        local = recipient.rpartition("@")[0] or recipient
        user, _ = split_extension(local, settings.recipient_delimiter, owner_request_special=settings.owner_request_special)
        where = "" if self._program(transport) == "local" else key.removeprefix(transport)
        return transport + _SEPARATOR + user.lower() + where

    def crowded(self, jobs: int) -> frozenset[str]:
        """Keys of the sites that need nothing from the store: dead, or with at least `jobs` waiting."""
        return frozenset(key for key, site in self._sites.items() if site.verdict or len(site.waiting) >= jobs)

    def waiting(self, more_than: int) -> list[Site]:
        """The sites with more than so many jobs waiting."""
        return [site for site in self._sites.values() if len(site.waiting) > more_than]

    def sweep(self, now: float) -> None:
        """Forget sites that nothing is known of any more; dead ones get another chance when their time is over."""
        for key, site in list(self._sites.items()):
            if site.verdict and site.dead_until <= now:
                site.revive()
            if site.is_idle:
                del self._sites[key]

    def revive(self) -> None:
        """Give every dead site another chance now."""
        for site in self._sites.values():
            site.revive()

    def drain(self) -> list[Job]:
        """Let nothing wait any more; returns what did."""
        jobs = [job for site in self._sites.values() for job in site.waiting]
        for site in self._sites.values():
            site.waiting.clear()
        return jobs
