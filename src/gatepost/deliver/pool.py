"""Connections kept open between deliveries, by the site they lead to (smtp_connection_cache_on_demand and its kin)."""

from collections.abc import Callable

from msgspec import Struct

from gatepost.deliver.smtp_connection import Connection


class CacheOptions(Struct, frozen=True):
    """Which connections are kept, and how long (CONNECTION_CACHE_README).

    `on_demand`: any that may be used again (smtp_connection_cache_on_demand).
    `sites`: destinations whose connections always are (smtp_connection_cache_destinations).
    `idle`: seconds without work (smtp_connection_cache_time_limit, connection_cache_ttl_limit).
    `uses`: deliveries over one connection, 0 for any number (smtp_connection_reuse_count_limit).
    `age`: seconds since it was opened (smtp_connection_reuse_time_limit).
    """

    on_demand: bool = True
    sites: frozenset[str] = frozenset()
    idle: float = 2
    uses: int = 0
    age: float = 300


# A connection that nobody has asked for again is not kept for long: most sites get a message now and then.
_FIRST_IDLE = 0.25


class Pool:
    """Idle connections. The latest used is the first to be used again, so that surplus ones run out of time."""

    def __init__(self, options: CacheOptions, now: Callable[[], float]) -> None:
        self._options = options
        self._now = now
        self._idle: dict[str, list[Connection]] = {}
        self._closed = False

    def take(self, site: str) -> Connection | None:
        """A connection to `site` that is fit for another delivery."""
        idle = self._idle.get(site)
        while idle:
            connection = idle.pop()
            if not idle:
                del self._idle[site]
            if self._fit(connection):
                return connection
            connection.leave()
        return None

    def give(self, site: str, connection: Connection) -> bool:
        """Keep `connection` for the next delivery to `site`; False where it should be left instead."""
        options = self._options
        always = site in options.sites
        if self._closed or not (always or options.on_demand) or not self._fit(connection):
            return False
        connection.rest(options.idle if always or connection.uses > 1 else min(options.idle, _FIRST_IDLE))
        self._idle.setdefault(site, []).append(connection)
        return True

    def _fit(self, connection: Connection) -> bool:
        options = self._options
        return (
            connection.client.usable
            and not connection.closed
            and (not options.uses or connection.uses < options.uses)
            and self._now() - connection.opened < options.age
        )

    def close(self) -> None:
        """Take leave of all, and keep none from now on."""
        self._closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.leave()
        self._idle.clear()
