"""What all workers must know of a client: how many connections it holds, and how often it does what (anvil(8))."""

import enum
from typing import Protocol


class Deed(enum.StrEnum):
    """What is counted per `anvil_rate_time_unit`."""

    CONNECTION = "connection"
    MESSAGE = "message"
    RECIPIENT = "recipient"
    TLS_SESSION = "new TLS session"
    AUTH = "AUTH command"


class Counters(Protocol):
    """Counts by (service, client address). All methods are quick; an implementation that cannot answer counts nothing."""

    async def connect(self, service: str, client: str) -> tuple[int, int]:
        """One more connection: (connections held now, connections in this time unit)."""
        ...

    def disconnect(self, service: str, client: str) -> None:
        """One connection less."""
        ...

    async def count(self, deed: Deed, service: str, client: str) -> int:
        """One more deed: how many in this time unit."""
        ...
