"""Who is asked about a message, and what counts where they disagree or fail."""

import asyncio
from collections.abc import Sequence

import pytest

from gatepost.filter.antivirus.port import Clean, Infected, NotScanned, Octets, Unscanned, VirusScan
from gatepost.filter.archives.port import ArchiveFacts, Unchecked
from gatepost.filter.facts import Facts, Request, ScoredHit
from gatepost.filter.inspection import Inspection, NotInspected, Wanted
from gatepost.filter.names.questions import Lookups, Question
from gatepost.filter.port import Session
from gatepost.filter.scanning import ScanFailed
from gatepost.filter.verdict import Contents
from gatepost.mail.content import Content, MemoryContent

PIECES = Facts(archives=ArchiveFacts(to_scan=(b"hidden",)))
AWAY, MARKED = NotScanned(Unscanned.DEFER, "away"), NotScanned(Unscanned.PASS_MARKED, "away")


class Everybody:
    """Scanner, virus scanner and DNS, with one answer each. `asked`: who was, in order."""

    def __init__(self, facts: Facts | Exception, whole: VirusScan, pieces: VirusScan) -> None:
        self.facts, self.whole, self.pieces = facts, whole, pieces
        self.asked: list[str] = []

    async def scan_message(self, request: Request, content: Content) -> Facts:
        self.asked.append("scanner")
        if isinstance(self.facts, Exception):
            raise self.facts
        return self.facts

    async def scan(self, message: Octets, size: int, owner: str = "") -> VirusScan:
        self.asked.append("whole")
        return self.whole

    async def scan_pieces(self, pieces: tuple[bytes, ...], owner: str = "") -> VirusScan:
        self.asked.append("pieces")
        return self.pieces

    async def answers(self, facts: Facts) -> Sequence[ScoredHit]:
        self.asked.append("DNS")
        return (ScoredHit("RCVD_IN_LIST", 2.5),)


class Scanning:
    def __init__(self, everybody: Everybody) -> None:
        self._everybody = everybody

    async def scan(self, request: Request, content: Content) -> Facts:
        return await self._everybody.scan_message(request, content)


async def two_banned(facts: ArchiveFacts) -> Sequence[str]:
    return ("a.exe", "b.scr\r\nX: y")


def inspected(
    facts: Facts | Exception = PIECES, whole: VirusScan = Clean(), pieces: VirusScan = Clean(), wanted: Wanted = Wanted()
) -> tuple[Contents, list[str]]:
    everybody = Everybody(facts, whole, pieces)
    inspection = Inspection(Scanning(everybody), everybody, everybody, two_banned)
    found = asyncio.run(inspection.inspect(MemoryContent(b"x\r\n"), Session(), wanted))
    return found, sorted(everybody.asked)


@pytest.mark.parametrize(
    ("whole", "pieces", "viruses", "scanned"),
    [
        (Clean(), Clean(), (), True),
        (Infected(("A",)), Clean(), ("A",), True),
        (Clean(), Infected(("B",)), ("B",), True),
        (Infected(("A",)), Infected(("B",)), ("A",), True),
        (AWAY, Infected(("B",)), ("B",), True),
        (Clean(), MARKED, (), False),
        (MARKED, Clean(), (), False),
    ],
)
def test_the_worse_of_two_scans_counts(whole: VirusScan, pieces: VirusScan, viruses: tuple[str, ...], scanned: bool) -> None:
    found, asked = inspected(whole=whole, pieces=pieces)
    assert (found.viruses, found.virus_scanned) == (viruses, scanned)
    assert asked == ["pieces", "scanner", "whole"]


@pytest.mark.parametrize(("whole", "pieces"), [(AWAY, Clean()), (Clean(), AWAY)])
def test_what_nobody_has_scanned_is_not_clean(whole: VirusScan, pieces: VirusScan) -> None:
    with pytest.raises(NotInspected, match="away") as raised:
        inspected(whole=whole, pieces=pieces)
    assert raised.value.action is Unscanned.DEFER


def test_a_scanner_that_fails_is_no_answer_unless_there_is_a_virus() -> None:
    with pytest.raises(NotInspected, match="killed") as raised:
        inspected(ScanFailed("killed"))
    assert raised.value.action is None
    found, _ = inspected(ScanFailed("killed"), whole=Infected(("A",)))
    assert (found.viruses, found.scanned, found.tests) == (("A",), False, ())


def test_what_nobody_wants_to_know_is_not_asked() -> None:
    found, asked = inspected(wanted=Wanted(viruses=False))
    assert (asked, found.virus_scanned) == (["scanner"], False)
    found, _ = inspected(Facts((ScoredHit("A", 9.0),), 9.0), wanted=Wanted(spam=False))
    assert not found.scanned
    found, _ = inspected(wanted=Wanted(banned=False))
    assert found.banned == ()


def test_lists_in_the_dns_add_to_the_score() -> None:
    found, asked = inspected(Facts((ScoredHit("A", 1.0),), 1.0, lookups=Lookups((Question("x.example", "A"),))))
    assert "DNS" in asked
    assert (found.score, [one.rule for one in found.tests]) == (3.5, ["A", "RCVD_IN_LIST"])


def test_what_cannot_be_looked_into_and_what_is_banned_is_told_in_printable_words() -> None:
    facts = Facts(archives=ArchiveFacts(unchecked=(Unchecked.ENCRYPTED, Unchecked.DEPTH)))
    found, _ = inspected(facts)
    assert found.unchecked == ("encrypted", "nested too deeply")
    assert found.banned == ("a.exe", "b.scr??X: y")
