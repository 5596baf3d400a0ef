"""Resolvers whose answers are filtered record by record (postconf(5), smtp_dns_reply_filter).

Contract: `host` and `ptr`, which ask as the system does, are not filtered, as in Postfix.
Failure: as that of the resolver behind it, and Filtered, FilterFailed.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from gatepost.net.answers import Around
from gatepost.net.port import Answer, AnswerSource, Filtered, FilterFailed, SecureSource

Keeps = Callable[[str], Awaitable[bool | None]]
"""Whether a record, as record_text() writes it, counts; None: that cannot be found out, and the log says why."""

_DATA: Mapping[str, Callable[[Any], str]] = {
    "A": str,
    "AAAA": str,
    "MX": lambda mx: f"{mx.preference} {mx.host}.",
    "NS": lambda name: f"{name}.",
    "TLSA": lambda tlsa: f"{tlsa.usage} {tlsa.selector} {tlsa.matching} {tlsa.data.hex()}",
    "SRV": lambda srv: f"{srv.priority} {srv.weight} {srv.port} {srv.target}.",
    "TXT": str,
}


def record_text(answer: Answer, record: str, value: object) -> str:
    """One record of an answer as filters are asked for it: `name. ttl IN type data`."""
    return f"{answer.owner}. {answer.ttl} IN {record} {_DATA[record](value)}"


class FilteredResolver(Around):
    """The answers of `source` without the records that `keeps` does not keep."""

    def __init__(self, source: AnswerSource, keeps: Keeps) -> None:
        super().__init__(source)
        self._keeps = keeps

    async def answer(self, name: str, record: str) -> Answer:
        return await _kept(await self._source.answer(name, record), name, record, self._keeps)


class FilteredTlsa:
    """The answers of a SecureSource, those with TLSA records without what `keeps` does not keep. The others that it is asked for
    have been filtered before: they led to the host."""

    def __init__(self, source: SecureSource, keeps: Keeps) -> None:
        self._source = source
        self._keeps = keeps

    async def answer(self, name: str, record: str) -> Answer:
        answer = await self._source.answer(name, record)
        return await _kept(answer, name, record, self._keeps) if record == "TLSA" else answer


async def _kept(answer: Answer, name: str, record: str, keeps: Keeps) -> Answer:
    kept: list[object] = []
    for value in answer.values:
        match await keeps(record_text(answer, record, value)):
            case None:
                raise FilterFailed(name, record, "Invalid DNS reply filter syntax")
            case True:
                kept.append(value)
    if not kept:
        raise Filtered(name, record, "DNS reply filter drops all results")
    return replace(answer, values=tuple(kept))
