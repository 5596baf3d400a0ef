"""qmgr_clog_warn_time: a word when one destination takes up much of the mail in hand (qmgr(8), QSHAPE_README)."""

from collections.abc import Iterator
from typing import Protocol

from gatepost.events.records import Clock, Emit, Note
from gatepost.queue.destinations import Site
from gatepost.queue.settings import QueueSettings

_SHARE = 5  # a destination is told of when it holds more than the limit of messages divided by this


class Sites(Protocol):
    """What is known of destinations (destinations.py)."""

    def waiting(self, more_than: int) -> list[Site]: ...


class Clogging:
    """Warns, of each destination at most once in qmgr_clog_warn_time; never where that is 0, or without helpful_warnings."""

    def __init__(self, settings: QueueSettings, emit: Emit, clock: Clock) -> None:
        self._pause = settings.qmgr_clog_warn_time if settings.helpful_warnings else 0
        self._limit = settings.qmgr_message_active_limit
        self._emit = emit
        self._clock = clock
        self._told: dict[str, float] = {}

    def look(self, sites: Sites, messages: int) -> None:
        """Warn of the destinations that hold up others; `messages`: how many are in hand."""
        if not self._pause or messages <= self._limit // _SHARE:
            self._told.clear()
            return
        now = self._clock()
        for site in sites.waiting(self._limit // _SHARE):
            if self._told.get(site.key, 0.0) + self._pause <= now:
                self._told[site.key] = now
                for line in _words(site, messages):
                    self._emit(Note("qmgr", line, severity="warning"))


def _words(site: Site, messages: int) -> Iterator[str]:
    """What to say, and what may help."""
    held, transport = len(site.waiting) + site.busy, site.transport
    yield f"mail for {site.nexthop} is using up {held} of {messages} active queue entries"
    if held < messages * 0.9:
        yield "this may slow down other mail deliveries"
    limit = transport.limits.destination_concurrency_limit
    if 0 < limit <= site.busy:
        yield f"you may need to increase the main.cf {transport.name}_destination_concurrency_limit from {limit}"
    elif not transport.is_open:
        yield f"you may need to increase the master.cf {transport.name} process limit"
    else:
        yield f"you may need a separate master.cf transport for {site.nexthop}"
