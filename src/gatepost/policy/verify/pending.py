"""How many probes are under way, and on whose behalf: what is left is for everybody.

A client may have as many as there is room left for others. So a single one gets half of it all, two a third each, and however many
come, the next one still finds room.
"""

import ipaddress

_HOST_BITS = 64  # of an IPv6 address: whoever has one of them has as many as a network holds


class Pending:
    """`limit`: address_verify_pending_request_limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of: dict[str, int] = {}
        self._total = 0

    @property
    def total(self) -> int:
        return self._total

    def begin(self, client: str) -> bool:
        """One more on behalf of a client (its address), if there is room."""
        owner = _owner(client)
        mine = self._of.get(owner, 0)
        left = self._limit - self._total
        if left <= 0 or (mine and mine >= left):
            return False
        self._of[owner] = mine + 1
        self._total += 1
        return True

    def end(self, client: str) -> None:
        """One less."""
        owner = _owner(client)
        self._total -= 1
        self._of[owner] -= 1
        if not self._of[owner]:
            del self._of[owner]


def _owner(client: str) -> str:
    if ":" not in client:
        return client
    try:
        return str(ipaddress.IPv6Network((client.partition("%")[0], 128 - _HOST_BITS), strict=False))
    except ValueError:
        return client
