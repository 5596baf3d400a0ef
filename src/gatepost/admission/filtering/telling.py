"""What is told of a verdict: to the log, to the quarantine, and to the client who is refused."""

from collections.abc import Iterator, Sequence
from typing import Final

from gatepost.admission.filtering.marks import points
from gatepost.admission.port import ReadableDraft
from gatepost.events.records import Filtered
from gatepost.filter.quarantine.port import Entry
from gatepost.filter.verdict import Category, Contents, Destiny, Ruling, Verdict
from gatepost.mail.reason import because

_KINDS: Final = {
    Category.VIRUS: "virus",
    Category.BANNED: "banned",
    Category.UNCHECKED: "unchecked",
    Category.SPAM: "spam",
    Category.SPAMMY: "spam",
    Category.BAD_HEADER: "bad-header",
    Category.CLEAN: "clean",
}
"""What the quarantine calls a category."""

_CUT: Final = 500  # octets of a header that are kept

_HOW: Final = {
    Destiny.PASS: "Relayed",
    Destiny.QUARANTINE: "Quarantined",
    Destiny.REJECT: "Rejected",
    Destiny.BOUNCE: "Bounced",
    Destiny.DISCARD: "Discarded",
}
"""What became of a message, in the words of amavis' log."""


def names(contents: Contents, category: Category) -> Sequence[str]:
    """What makes a message one of that category, where it has a name."""
    of = {
        Category.VIRUS: contents.viruses,
        Category.BANNED: contents.banned,
        Category.UNCHECKED: contents.unchecked,
        Category.BAD_HEADER: contents.bad_header,
    }
    return of.get(category, ())


def class_of(verdict: Verdict) -> str:
    """The class of a message as a client hears it: what amavis says, and never which rule."""
    category = verdict.category
    if category in (Category.VIRUS, Category.BANNED):
        return f"{category.word}: {', '.join(names(verdict.contents, category)[:1])}"
    return category.word.lower()


def reason(verdict: Verdict) -> str:
    """Why it is what it is: for our own log."""
    if verdict.category in (Category.SPAM, Category.SPAMMY, Category.CLEAN):
        return f"{verdict.category.word}, {points(verdict.contents.score)} points"
    return f"{verdict.category.word}: {', '.join(names(verdict.contents, verdict.category))}"


def events(verdict: Verdict, draft: ReadableDraft, size: int, seconds: float, quarantined: str) -> Iterator[Filtered]:
    """What the log has of it: a record for those who get it, another for those who do not. `size`: octets; `seconds`: that it took;
    `quarantined`: under which name it is kept."""
    passed = [one for one in verdict.rulings if one.destiny is Destiny.PASS]
    blocked = [one for one in verdict.rulings if one.destiny is not Destiny.PASS]
    contents, origin = verdict.contents, draft.origin
    for action, rulings in (("Passed", passed), ("Blocked", blocked)):
        if not rulings:
            continue
        category = max(one.category for one in rulings)
        yield Filtered(
            "filter",
            str(draft.queue_id),
            action,
            category.word,
            tuple(names(contents, category)),
            tuple(dict.fromkeys(_how(one) for one in rulings)),
            f"[{origin.facts.client_address}]" if origin.client else "",
            draft.envelope.sender,
            tuple(one.address for one in rulings),
            contents.score if contents.scanned else None,
            tuple((one.rule, one.score) for one in contents.tests),
            size,
            seconds,
            _header(draft, "message-id"),
            quarantined,
            because("filter", key=str(draft.queue_id), reason=reason(verdict)),
        )


def entry(verdict: Verdict, kept: Sequence[Ruling], draft: ReadableDraft, size: int, now: float) -> Entry:
    """What the quarantine is told of a message. `kept`: from whom it is kept."""
    category = max(one.category for one in kept)
    return Entry(
        kind=_KINDS[category],
        reason=reason(verdict),
        sender=draft.envelope.sender,
        recipients=tuple(one.address for one in kept),
        client=draft.origin.client,
        queue_id=str(draft.queue_id),
        time=now,
        score=verdict.contents.score,
        tests=tuple(one.rule for one in verdict.contents.tests),
        subject=_header(draft, "subject"),
        message_id=_header(draft, "message-id"),
        from_header=_header(draft, "from"),
        size=size,
    )


def _how(ruling: Ruling) -> str:
    tagged = "Tagged" if ruling.destiny is Destiny.PASS and ruling.tagged else ""
    return f"{_HOW[ruling.destiny]}{tagged}{'Inbound' if ruling.local else 'Outbound'}"


def _header(draft: ReadableDraft, key: str) -> str:
    """The first header of that name, cut."""
    value = next((one.value for one in draft.headers if one.key == key), b"")
    return value[:_CUT].decode("utf-8", "surrogateescape")
