"""Client counts and rates kept in one process, as anvil(8) keeps them for one machine."""

from collections.abc import Callable

from gatepost.state.port import Rate

_Key = tuple[str, str]


class LocalCounters:
    """Counters in memory. `time_unit`: seconds (`anvil_rate_time_unit`); `clock`: seconds since 1970 or any other start.

    A rate counts from the first count of a client and begins anew once that lies a time unit back.
    """

    def __init__(self, clock: Callable[[], float], time_unit: float = 60.0) -> None:
        self._clock = clock
        self._unit = time_unit
        self._held: dict[_Key, int] = {}
        self._rates: dict[_Key, tuple[float, dict[Rate, int]]] = {}
        self._swept = clock()

    async def connect(self, service: str, client: str) -> tuple[int, int]:
        key = (service, client)
        held = self._held.get(key, 0) + 1
        self._held[key] = held
        return held, await self.count(Rate.CONNECTION, service, client)

    def disconnect(self, service: str, client: str) -> None:
        key = (service, client)
        held = self._held.get(key, 0) - 1
        if held > 0:
            self._held[key] = held
        else:
            self._held.pop(key, None)

    async def count(self, rate: Rate, service: str, client: str) -> int:
        now = self._clock()
        self._sweep(now)
        start, counts = self._rates.get((service, client), (now, {}))
        if now - start >= self._unit:
            start, counts = now, {}
        counts[rate] = counts.get(rate, 0) + 1
        self._rates[service, client] = (start, counts)
        return counts[rate]

    def tally(self, service: str, own: int) -> int:
        return own

    def _sweep(self, now: float) -> None:
        """Forget clients whose time unit is over, once a time unit, so that memory follows the clients of today."""
        if now - self._swept >= self._unit:
            self._swept = now
            self._rates = {key: value for key, value in self._rates.items() if now - value[0] < self._unit}
