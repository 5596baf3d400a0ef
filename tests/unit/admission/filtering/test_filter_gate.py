"""The filter as a gate: what it finds, what it keeps, and what it does where nobody can say what a message is."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from tests.unit.admission.drafts import HEAD, Aliases, Octets

from gatepost.admission.draft import Draft
from gatepost.admission.filtering.gate import Filter, FilterGate
from gatepost.admission.filtering.marks import MarkSettings
from gatepost.admission.port import FailureAction, Finding, Origin, ProtocolStage, Severity, View
from gatepost.events.records import Event, Filtered, Note
from gatepost.filter.antivirus.port import Clean, Infected, NotScanned, Unscanned, VirusScan
from gatepost.filter.antivirus.port import Octets as Stream
from gatepost.filter.archives.port import ArchiveFacts
from gatepost.filter.facts import Facts, Request, ScoredHit, Unexamined
from gatepost.filter.inspection import Inspection
from gatepost.filter.quarantine.port import Entry, QuarantineFailure
from gatepost.filter.scanning import ScanFailed
from gatepost.filter.verdict import Category, Destiny, Levels, RecipientPolicy
from gatepost.lookup.port import LookupFailure
from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.policy.port import Facts as SessionFacts

SPAM = Facts((ScoredHit("GTUBE", 1000.0), ScoredHit("__HIDDEN", 0.0)), 1000.0)
HAM = Facts((ScoredHit("NICE", -1.0),), -1.0)
MARKS = MarkSettings("***SPAM***", "", "Gatepost at example.test")
ANNA, LOVER, BLIND = "anna@here.test", "lover@here.test", "blind@here.test"
DESTINIES = {Category.SPAM: Destiny.REJECT, Category.VIRUS: Destiny.REJECT}


class World:
    """Everybody whom a gate asks, and what they have heard."""

    def __init__(self, facts: Facts | Exception, virus: VirusScan | None = None, quarantine: str = "") -> None:
        self.facts = facts
        self.virus = Clean() if virus is None else virus
        self.full = quarantine == "full"
        self.requests: list[Request] = []
        self.seen: list[bytes] = []
        self.kept: list[tuple[Entry, bytes]] = []
        self.told: list[Event] = []
        self.faults: list[BaseException] = []

    async def scan(self, request: Request, content: Content) -> Facts:
        self.requests.append(request)
        self.seen.append(content.read())
        if isinstance(self.facts, Exception):
            raise self.facts
        return self.facts

    async def store(self, entry: Entry, content: Iterable[bytes]) -> str:
        if self.full:
            raise QuarantineFailure("full")
        self.kept.append((entry, b"".join(content)))
        return f"{entry.kind}-1"

    async def policy(self, address: str) -> RecipientPolicy:
        lover = frozenset((Category.SPAM, Category.VIRUS)) if address == LOVER else frozenset()
        bypass = frozenset((Category.SPAM, Category.VIRUS, Category.BANNED)) if address == BLIND else frozenset()
        return RecipientPolicy(address, Levels(), bypass, lover)

    def gate(self, **more: Any) -> FilterGate:
        parts = {
            "policy": self.policy, "destinies": DESTINIES, "marks": MARKS, "inspection": Inspection(self, Viruses(self)),
            "quarantine": self, "on_failure": FailureAction.TEMPFAIL, "emit": self.told.append, "clock": lambda: 1e9,
            "fault": lambda error, text: self.faults.append(error),
        }  # fmt: skip
        seconds = more.pop("seconds", 60.0)
        return FilterGate(Filter(**{**parts, **more}), seconds)


class Viruses:
    def __init__(self, world: World) -> None:
        self._world = world

    async def scan(self, message: Stream, size: int, owner: str = "") -> VirusScan:
        assert len(b"".join(message())) == size
        return self._world.virus

    async def scan_pieces(self, pieces: tuple[bytes, ...], owner: str = "") -> VirusScan:
        raise AssertionError("nobody has pieces")


def message(*to: str, client: str = "mail.far.test[192.0.2.1]", head: bytes = HEAD) -> Draft:
    recipients = [Recipient(address) for address in to]
    origin = Origin("smtpd" if client else "pickup", client)
    given = Envelope("s@far.test", tuple(recipients))
    return Draft(QueueId(1, 1), origin, given, Aliases(*recipients), Octets(b"x\r\n"), head=(head,))


def looked(world: World, draft: Draft, **more: Any) -> Finding:
    view = View(SessionFacts())
    view.draft = draft
    finding = asyncio.run(world.gate(**more).look(ProtocolStage.END_OF_MESSAGE, view))
    if finding.edits and finding.severity < Severity.DISCARD:
        asyncio.run(draft.edit(finding.edits))
    return finding


def line(world: World) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.action, one.category, one.recipients) for one in world.told if isinstance(one, Filtered)]


def test_clean_mail_passes_marked() -> None:
    world, draft = World(HAM), message(ANNA)
    assert looked(world, draft).severity is Severity.PASS
    assert draft.head == b"X-Virus-Scanned: Gatepost at example.test\r\n" + HEAD
    assert world.seen == [HEAD + b"\r\nx\r\n"]
    assert line(world) == [("Passed", "CLEAN", (ANNA,))]


@pytest.mark.parametrize(
    ("world", "text"),
    [
        (World(SPAM), "Reject, id={id} - spam"),
        (World(HAM, Infected(("Eicar-Test-Signature", "Another"))), "Reject, id={id} - INFECTED: Eicar-Test-Signature"),
    ],
)
def test_the_reply_says_the_class_and_a_reference_and_never_a_rule(world: World, text: str) -> None:
    draft = message(ANNA, "berta@here.test")
    finding = looked(world, draft)
    assert finding.severity is Severity.REFUSE
    assert finding.outcome is not None
    assert (finding.outcome.code, finding.outcome.enhanced, finding.outcome.text) == (554, "5.7.0", text.format(id=draft.queue_id))
    assert "GTUBE" not in finding.outcome.text
    assert world.kept == []


def test_recipients_who_differ_have_what_they_want() -> None:
    world, draft = World(SPAM), message(ANNA, LOVER, BLIND)
    assert looked(world, draft).severity is Severity.PASS
    assert [one.address for one in draft.addressees.final] == [LOVER, BLIND]
    assert [(one.recipient.address, one.outcome.text) for one in draft.ended] == [(ANNA, "quarantined as spam-1 - SPAM")]
    [(entry, octets)] = world.kept
    assert (entry.kind, entry.recipients, entry.sender, entry.tests) == ("spam", (ANNA,), "s@far.test", ("GTUBE",))
    assert octets == HEAD + b"\r\nx\r\n"
    assert line(world) == [("Passed", "SPAM", (LOVER, BLIND)), ("Blocked", "SPAM", (ANNA,))]
    assert b"X-Quarantine-ID: <spam-1>" in draft.head


def test_spam_of_those_to_whom_nobody_can_reply_is_kept() -> None:
    """A refusal would become a notice to whoever the sender is said to be."""
    world, draft = World(SPAM), message(ANNA, client="")
    finding = looked(world, draft)
    assert (finding.severity, finding.reason) == (Severity.DISCARD, "quarantined as spam-1 - spam")
    assert [entry.recipients for entry, _ in world.kept] == [(ANNA,)]


def test_what_is_thrown_away_is_not_kept() -> None:
    world = World(SPAM)
    finding = looked(world, message(ANNA), destinies={Category.SPAM: Destiny.DISCARD})
    assert (finding.severity, finding.reason, world.kept) == (Severity.DISCARD, "discarded - spam", [])


def test_a_full_quarantine_defers() -> None:
    world = World(SPAM, quarantine="full")
    finding = looked(world, message(ANNA, LOVER))
    assert finding.severity is Severity.DEFER
    assert finding.outcome is not None
    assert finding.outcome.code == 451
    assert line(world) == []


@pytest.mark.parametrize(
    ("world", "action", "severity"),
    [
        (World(ScanFailed("killed")), FailureAction.TEMPFAIL, Severity.DEFER),
        (World(ScanFailed("killed")), FailureAction.ACCEPT, Severity.PASS),
        (World(ScanFailed("killed")), FailureAction.QUARANTINE, Severity.QUARANTINE),
        (World(HAM, NotScanned(Unscanned.DEFER, "away")), FailureAction.ACCEPT, Severity.DEFER),
        (World(HAM, NotScanned(Unscanned.REJECT, "too large")), FailureAction.TEMPFAIL, Severity.REFUSE),
        (World(HAM, NotScanned(Unscanned.PASS_MARKED, "away")), FailureAction.TEMPFAIL, Severity.PASS),
        # A virus that was found is one, whatever else has failed.
        (World(ScanFailed("killed"), Infected(("Eicar",))), FailureAction.ACCEPT, Severity.REFUSE),
    ],
)
def test_what_becomes_of_mail_that_nobody_could_look_at(world: World, action: FailureAction, severity: Severity) -> None:
    draft = message(ANNA, head=b"X-Virus-Scanned: forged\r\nX-Spam-Status: No\r\n" + HEAD)
    finding = looked(world, draft, on_failure=action)
    assert finding.severity is severity
    if severity < Severity.DISCARD:
        assert b"forged" not in draft.head
        assert b"X-Spam-Status" not in draft.head
        assert b"X-Virus-Scanned" not in draft.head


class Hanging:
    """Never answers."""

    async def scan(self, request: Request, content: Content) -> Facts:
        await asyncio.Event().wait()
        return HAM


def test_forged_marks_go_whatever_lets_the_mail_go_on() -> None:
    """A gate that is late or breaks has a finding made for it elsewhere, which edits nothing."""
    forged = b"X-Virus-Scanned: forged\r\nX-Spam-Status: No\r\n" + HEAD
    world, draft = World(RuntimeError("broken")), message(ANNA, head=forged)
    assert looked(world, draft, on_failure=FailureAction.ACCEPT).severity is Severity.PASS
    assert draft.head == HEAD
    assert [str(fault) for fault in world.faults] == ["broken"]
    draft = message(ANNA, head=forged)
    late = {"inspection": Inspection(Hanging()), "on_failure": FailureAction.ACCEPT, "seconds": 0.0}
    assert looked(World(HAM), draft, **late).severity is Severity.PASS
    assert draft.head == HEAD


def test_a_table_that_is_away_is_told_as_one() -> None:
    async def away(facts: ArchiveFacts) -> tuple[str, ...]:
        raise LookupFailure("hash:banned", "gone")

    world = World(HAM)
    with pytest.raises(LookupFailure):
        looked(world, message(ANNA), inspection=Inspection(world, banned=away))


@pytest.mark.parametrize("action", [FailureAction.ACCEPT, FailureAction.TEMPFAIL, FailureAction.QUARANTINE])
def test_what_is_known_to_be_bad_waits_for_room_in_the_quarantine(action: FailureAction) -> None:
    """filter_default_action is for mail that nobody could look at: who fills the quarantine must not have viruses let through."""
    world = World(HAM, Infected(("Eicar",)), quarantine="full")
    finding = looked(world, message(ANNA), destinies={Category.VIRUS: Destiny.QUARANTINE}, on_failure=action)
    assert finding.severity is Severity.DEFER


@pytest.mark.parametrize(
    ("action", "severity"),
    [
        (FailureAction.TEMPFAIL, Severity.DEFER),
        (FailureAction.QUARANTINE, Severity.QUARANTINE),
        (FailureAction.ACCEPT, Severity.PASS),
    ],
)
def test_a_virus_hides_no_scanner_that_failed(action: FailureAction, severity: Severity) -> None:
    """Else a sender adds a virus to spam that breaks the scanner, and whoever gets viruses gets that spam."""
    world, draft = World(ScanFailed("killed"), Infected(("Eicar",))), message(ANNA, LOVER)
    assert looked(world, draft, on_failure=action).severity is severity


def test_rules_that_took_too_long_are_told() -> None:
    """A message made for that would pass as clean, and nobody would know."""
    left_out = (Unexamined("rule", "SLOW", "all patterns took too long"), Unexamined("body", "", "rules see 5 of 9 octets"))
    world = World(Facts(unexamined=left_out, faults=("BROKEN: check: ValueError: a\nb",)))
    draft = message(ANNA)
    looked(world, draft)
    [note] = [one for one in world.told if isinstance(one, Note)]
    said = "not all was looked at: BROKEN: check: ValueError: a?b; SLOW: all patterns took too long"
    assert note.text == f"{draft.queue_id}: {said}"


def test_mail_that_passes_unscanned_says_so() -> None:
    world, draft = World(HAM, NotScanned(Unscanned.PASS_MARKED, "clamd is away")), message(ANNA)
    looked(world, draft)
    assert b"X-Amavis-Alert: UNCHECKED, not scanned for viruses: clamd is away\r\n" in draft.head
    assert line(world) == [("Passed", "UNCHECKED", (ANNA,))]


def test_nobody_is_asked_for_those_who_want_no_checks() -> None:
    world, draft = World(SPAM, Infected(("Eicar",))), message(BLIND, head=b"X-Spam-Flag: NO\r\n" + HEAD)
    assert looked(world, draft).severity is Severity.PASS
    assert (world.requests, world.told, draft.head) == ([], [], HEAD)


def test_the_scanner_is_told_where_it_comes_from() -> None:
    world = World(HAM)
    looked(world, message(ANNA))
    session = world.requests[0].session
    assert (session.sender, session.recipients) == ("s@far.test", (ANNA,))


def test_there_may_be_any_number_of_recipients() -> None:
    world, draft = World(SPAM), message(*(f"{number}@here.test" for number in range(5000)), LOVER)
    assert looked(world, draft).severity is Severity.PASS
    assert [one.address for one in draft.addressees.final] == [LOVER]
    assert len(draft.ended) == 5000
    assert len(world.requests[0].session.recipients) == 100


def test_answers_of_a_scanner_gone_mad_say_nothing_in_headers() -> None:
    hits = (*(ScoredHit(f"X\r\nSubject: {n}", 1e300) for n in range(9)), ScoredHit("OK", float("nan")))
    world, draft = World(Facts(hits, float("inf"))), message(ANNA)
    assert looked(world, draft).severity is Severity.PASS
    assert draft.head.count(b"Subject") == 1
