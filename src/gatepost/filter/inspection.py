"""A message is looked at by all who have something to say of it, at once: the scanner, then lists in the DNS that it asks for;
beside them the virus scanners."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct, structs

from gatepost.filter.antivirus.port import Antivirus, Infected, NotScanned, Unscanned, VirusScan
from gatepost.filter.archives.port import ArchiveFacts
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


Banned = Callable[[ArchiveFacts], Awaitable[Sequence[str]]]
"""The files of a message that are not wanted, as tables say. Raises LookupFailure."""


async def nothing_banned(facts: ArchiveFacts) -> Sequence[str]:
    """All files are wanted."""
    return ()


class Wanted(Struct, frozen=True):
    """What is to be looked for: what no recipient wants to know is not asked."""

    spam: bool = True
    viruses: bool = True
    banned: bool = True


class _Scanned(Struct, frozen=True):
    """What the scanner has found, and what others say of that. `failure`: why there are no facts."""

    facts: Facts | None = None
    answers: Sequence[ScoredHit] = ()
    banned: Sequence[str] = ()
    virus: VirusScan | None = None
    failure: str = ""


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
        """What the message is. A virus that was found counts although somebody else failed, of which `failure` tells. Raises
        NotInspected, LookupFailure, OSError."""
        asked = Request(session, spam=wanted.spam, attachments=wanted.banned or wanted.viruses)
        try:
            async with asyncio.TaskGroup() as group:
                scan = group.create_task(self._scan(asked, content, wanted))
                whole = group.create_task(self._viruses(content, session, wanted))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        scanned, virus = scan.result(), _worse(whole.result(), scan.result().virus)
        if scanned.failure and not isinstance(virus, Infected):
            raise NotInspected(scanned.failure)
        if isinstance(virus, NotScanned) and virus.action is not Unscanned.PASS_MARKED:
            raise NotInspected(virus.why, virus.action)
        found = contents(scanned.facts, scanned.answers, virus, scanned.banned, spam=wanted.spam)
        return structs.replace(found, failure=scanned.failure)

    async def _scan(self, request: Request, content: Content, wanted: Wanted) -> _Scanned:
        """The facts, and what others say of them."""
        try:
            facts = await self._scanning.scan(request, content)
        except ScanFailed as failure:
            return _Scanned(failure=str(failure))
        answers = await self._names.answers(facts) if self._names is not None and facts.lookups.questions else ()
        banned = await self._banned(facts.archives) if wanted.banned else ()
        pieces, virus = facts.archives.to_scan, None
        if pieces and wanted.viruses and self._antivirus is not None:
            virus = await self._antivirus.scan_pieces(pieces, request.session.client_address)
        return _Scanned(facts, answers, banned, virus)

    async def _viruses(self, content: Content, session: Session, wanted: Wanted) -> VirusScan | None:
        if self._antivirus is None or not wanted.viruses:
            return None
        return await self._antivirus.scan(content.chunks, content.size, session.client_address)


def _worse(whole: VirusScan | None, pieces: VirusScan | None) -> VirusScan | None:
    """What is worse of two scans: a virus, then that nobody knows."""
    for kind in (Infected, NotScanned):
        for one in (whole, pieces):
            if isinstance(one, kind):
                return one
    return whole
