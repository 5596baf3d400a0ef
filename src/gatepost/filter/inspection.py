"""A message is looked at by all who have something to say of it, at once: the scanner, then lists in the DNS that it asks for;
beside them the virus scanners."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from gatepost.filter.antivirus.port import Antivirus, Infected, NotScanned, Unscanned, VirusScan
from gatepost.filter.contents import contents
from gatepost.filter.facts import Facts, Request, ScoredHit
from gatepost.filter.port import Session
from gatepost.filter.scanning import ScanFailed, Scanning
from gatepost.filter.verdict import Contents
from gatepost.mail.content import Content


class NotInspected(Exception):
    """Nobody knows what the message is: why, for the log. `action`: what filter_virus_* parameters want then; None where it is for
    those of the whole filter to say."""

    def __init__(self, why: str, action: Unscanned | None = None) -> None:
        super().__init__(why)
        self.action = action


class Names(Protocol):
    """Who asks the DNS for what rules want to know."""

    async def answers(self, facts: Facts) -> Sequence[ScoredHit]:
        """The rules that hit because of what the DNS says, within a time limit of its own; what cannot be asked hits nothing."""
        ...


Banned = Callable[[Facts], Awaitable[Sequence[str]]]
"""The files of a message that are not wanted, as tables say. Raises LookupFailure."""


async def nothing_banned(facts: Facts) -> Sequence[str]:
    """All files are wanted."""
    return ()


class Wanted(Struct, frozen=True):
    """What is to be looked for: what no recipient wants to know is not asked."""

    spam: bool = True
    viruses: bool = True
    banned: bool = True


class Inspection:
    """All who look at messages. `antivirus`, `names`: None where there are none."""

    def __init__(
        self, scanning: Scanning, antivirus: Antivirus | None = None, names: Names | None = None, banned: Banned = nothing_banned
    ) -> None:
        self._scanning = scanning
        self._antivirus = antivirus
        self._names = names
        self._banned = banned

    async def inspect(self, content: Content, session: Session, wanted: Wanted) -> Contents:
        """What the message is. A virus that was found counts although somebody else failed. Raises NotInspected, LookupFailure,
        OSError."""
        request = Request(session, spam=wanted.spam, attachments=wanted.banned)
        async with asyncio.TaskGroup() as group:
            scan = group.create_task(self._scan(request, content)) if wanted.spam or wanted.banned else None
            viruses = group.create_task(self._viruses(content, session)) if wanted.viruses else None
        virus = None if viruses is None else viruses.result()
        facts, answers, failure = (None, (), "") if scan is None else scan.result()
        if failure and not isinstance(virus, Infected):
            raise NotInspected(failure)
        if isinstance(virus, NotScanned) and virus.action is not Unscanned.PASS_MARKED:
            raise NotInspected(virus.why, virus.action)
        banned = await self._banned(facts) if facts is not None and wanted.banned else ()
        return contents(facts if wanted.spam else None, answers, virus, banned)

    async def _scan(self, request: Request, content: Content) -> tuple[Facts | None, Sequence[ScoredHit], str]:
        """The facts, what the DNS adds, and why there are none."""
        try:
            facts = await self._scanning.scan(request, content)
        except ScanFailed as failure:
            return None, (), str(failure)
        if self._names is None or not facts.lookups.questions:
            return facts, (), ""
        return facts, await self._names.answers(facts), ""

    async def _viruses(self, content: Content, session: Session) -> VirusScan | None:
        if self._antivirus is None:
            return None
        return await self._antivirus.scan(content.chunks, content.size, session.client_address)
