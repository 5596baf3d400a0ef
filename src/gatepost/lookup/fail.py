"""`fail:name`: a table that fails every lookup, for tests of what then happens (DATABASE_README); and its kin, the table
that could not be opened."""

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure, Unavailable


class FailTable:
    """Raises `failure` for every key."""

    __slots__ = ("_failure", "name", "whole_key")

    def __init__(self, name: str, failure: LookupFailure) -> None:
        self.name = name
        self.whole_key = False
        self._failure = failure

    async def lookup(self, key: str) -> str | None:
        raise type(self._failure)(self._failure.table, self._failure.why)

    def close(self) -> None:
        pass


def open_table(opening: Opening) -> FailTable:
    return FailTable(opening.spec, LookupFailure(opening.spec, "Application error"))


def unavailable(spec: str, why: str) -> FailTable:
    """What stands in for a table that cannot be opened."""
    return FailTable(spec, Unavailable(spec, why))
