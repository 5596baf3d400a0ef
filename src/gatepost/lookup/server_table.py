"""A table that asks a server: what all such types have in common, whatever they speak.

A key that is empty, is no text or is of no domain that the table has (`domain =`) is not asked about. Whatever goes wrong with the
server is a LookupFailure, so that the caller's failure action applies: it is never "not found". So is an answer with NUL in it: for
others, to whom it goes on, it ends there, and is another address.
"""

from collections.abc import Mapping
from typing import Protocol

from gatepost.lookup import pattern_time
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.memory import fold
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.remembered import Remembered
from gatepost.lookup.server_parameters import TableParameters
from gatepost.lookup.sparing import Sparing
from gatepost.mail.ascii_text import SPACE
from gatepost.net.stream_port import NOT_ASKED, StreamFailure

LONGEST_KEY = 2048
"""Characters. An address has 320 at most; no sender shall make a server search for a long text."""


class Source(Protocol):
    """The servers of a table, and how they are asked."""

    async def find(self, key: str, owner: str) -> str | None:
        """The answer, None where the server says that there is none. `owner`: whom the question is for (an address; may be empty).
        Raises StreamFailure, LookupFailure."""
        ...

    async def probe(self) -> Mapping[str, str]:
        """Ask every server once, for `gatepost check`: server to what is wrong with it."""
        ...

    def close(self) -> None: ...


class Domains:
    """`domain = ...`: a table that has it is asked only about user@domain of such a domain, not about a bare user or @domain."""

    def __init__(self, text: str, opening: Opening) -> None:
        self._list = MatchList.strings(text, opening.tables, f"{opening.spec}:domain", opening.warn)

    async def has(self, key: str) -> bool:
        """Whether to ask about `key`. Raises LookupFailure where the list cannot say."""
        local, at, domain = key.rpartition("@")
        return bool(at and local and domain) and await self._list.matches(domain)


class ServerTable:
    """A table over a source. `domains`: what it is asked about, None for everything; `whole_key`: the server is asked about whole
    keys only, as they are, as a table of patterns is."""

    __slots__ = ("_domains", "_fold", "_remembered", "_sparing", "name", "source", "whole_key")

    def __init__(self, opening: Opening, source: Source, domains: Domains | None = None, *, whole_key: bool = False) -> None:
        self.name = opening.spec
        self.whole_key = whole_key
        self.source = source
        self._domains = domains
        self._fold = opening.fold and not whole_key
        self._sparing = Sparing(opening.warn, opening.clock)
        self._remembered = Remembered(opening.tables.access.limits.helper_answer_lifetime, opening.clock)

    async def lookup(self, key: str) -> str | None:
        if not key or len(key) > LONGEST_KEY or not _is_text(key):
            return None
        if self._fold:
            key = fold(key)
        if self._domains is not None and not await self._domains.has(key):
            return None
        known, answer = self._remembered.get(key)
        if known:
            return answer
        try:
            answer = await self.source.find(key, pattern_time.current().client)
        except StreamFailure as failure:
            if failure.trouble not in NOT_ASKED:
                self._sparing.warn(failure.words, f"{self.name}: {failure.words}")
            raise LookupFailure(self.name, failure.words) from None
        if answer is not None and "\0" in answer:
            self._sparing.warn("NUL", f"{self.name}: NUL in the answer for {key}")
            raise LookupFailure(self.name, "NUL in the answer")
        self._remembered.keep(key, answer)
        return answer

    def close(self) -> None:
        self.source.close()


def domains_of(parameters: TableParameters, opening: Opening) -> Domains | None:
    """The `domain` parameter of a table, None where it is empty."""
    text = parameters.text("domain")
    return Domains(text, opening) if text.strip(SPACE) else None


def _is_text(key: str) -> bool:
    """Whether it is text that a server could know: UTF-8, without NUL, which ends texts in C."""
    if key.isascii():
        return "\0" not in key
    try:
        return b"\0" not in key.encode()
    except UnicodeEncodeError:
        return False
