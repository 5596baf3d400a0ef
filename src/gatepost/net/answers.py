"""What the resolvers of this room have in common: each question by type is an answer()."""

from abc import ABC, abstractmethod
from typing import cast

from gatepost.net.port import MX, SRV, Answer, AnswerSource


class Answers(ABC):
    """The questions of an AnswerSource (net/port.py) that are answered by its answer()."""

    @abstractmethod
    async def answer(self, name: str, record: str) -> Answer:
        """The records of a type (`A`, `MX` ...). Raises DnsFailure."""

    async def mx(self, name: str) -> tuple[MX, ...]:
        return cast(tuple[MX, ...], (await self.answer(name, "MX")).values)

    async def a(self, name: str) -> tuple[str, ...]:
        return cast(tuple[str, ...], (await self.answer(name, "A")).values)

    async def aaaa(self, name: str) -> tuple[str, ...]:
        return cast(tuple[str, ...], (await self.answer(name, "AAAA")).values)

    async def srv(self, name: str) -> tuple[SRV, ...]:
        return cast(tuple[SRV, ...], (await self.answer(name, "SRV")).values)

    async def txt(self, name: str) -> tuple[str, ...]:
        return cast(tuple[str, ...], (await self.answer(name, "TXT")).values)

    async def ns(self, name: str) -> tuple[str, ...]:
        return cast(tuple[str, ...], (await self.answer(name, "NS")).values)


class Around(Answers):
    """An AnswerSource around another one, which answers what is asked as the system asks."""

    def __init__(self, source: AnswerSource) -> None:
        self._source = source

    async def ptr(self, address: str) -> tuple[str, ...]:
        return await self._source.ptr(address)

    async def host(self, name: str) -> tuple[str, ...]:
        return await self._source.host(name)
