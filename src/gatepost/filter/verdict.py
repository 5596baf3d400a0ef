"""What becomes of a message, for each of its recipients: a pure function of what was found in it and of what they want.

Categories, levels and destinies are those of amavisd-new (amavisd.conf: contents categories, `final_*_destiny`, `sa_*_level`,
`*_lovers_maps`, `bypass_*_checks_maps`).
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, structs


class Category(enum.IntEnum):
    """What a message is, the worst last (amavis' contents categories, CC_*)."""

    CLEAN = 1
    BAD_HEADER = 4
    SPAMMY = 5
    SPAM = 6
    UNCHECKED = 7
    BANNED = 8
    VIRUS = 9

    @property
    def word(self) -> str:
        """As the log of amavis has it."""
        return _WORDS[self]


_WORDS: Final[dict[Category, str]] = {
    Category.CLEAN: "CLEAN",
    Category.BAD_HEADER: "BAD-HEADER",
    Category.SPAMMY: "SPAMMY",
    Category.SPAM: "SPAM",
    Category.UNCHECKED: "UNCHECKED",
    Category.BANNED: "BANNED",
    Category.VIRUS: "INFECTED",
}


class Destiny(enum.StrEnum):
    """What becomes of a message of a category. BOUNCE: its sender hears of it, by the reply where a client waits for one; of spam
    and viruses never by mail, for senders are forged."""

    PASS = "pass"
    DISCARD = "discard"
    QUARANTINE = "quarantine"
    BOUNCE = "bounce"
    REJECT = "reject"


class Scored(Struct, frozen=True):
    """A rule that hit, with the points that it gave."""

    rule: str
    score: float


class Contents(Struct, frozen=True):
    """What was found in a message.

    score: points of `tests` together.
    tests: rules that hit, the learner's among them.
    viruses: names of them.
    banned: what it holds that is not wanted (`.exe-ms,setup.scr`).
    unchecked: what nobody could look into, and why (`encrypted: a.zip`).
    bad_header: what is wrong with its headers.
    scanned, virus_scanned: whether anybody has looked for spam, for viruses.
    left_out: rules that the scanner could not answer, the first few, and why (`SLOW: ...`).
    failure: why the scanner said nothing, where a virus is known all the same; empty: it did.
    """

    score: float = 0.0
    tests: tuple[Scored, ...] = ()
    viruses: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    bad_header: tuple[str, ...] = ()
    scanned: bool = True
    virus_scanned: bool = True
    left_out: tuple[str, ...] = ()
    failure: str = ""


class Levels(Struct, frozen=True):
    """Points from which a message says what it scored (`tag`), is called spam (`tag2`), and is stopped (`kill`)."""

    tag: float = 2.0
    tag2: float = 6.31
    kill: float = 6.31


class RecipientPolicy(Struct, frozen=True):
    """What one recipient wants.

    address: internal form.
    bypass: categories that are not looked for in her mail (`bypass_*_checks_maps`); SPAM stands for SPAMMY too.
    lover: categories that she wants to have, whatever becomes of them elsewhere (`*_lovers_maps`).
    local: whether she is one of ours: mail to others does not show what it scored.
    """

    address: str
    levels: Levels = Levels()
    bypass: frozenset[Category] = frozenset()
    lover: frozenset[Category] = frozenset()
    local: bool = True


class Ruling(Struct, frozen=True):
    """What becomes of the message for one recipient.

    address: of her policy, internal form.
    category: what stops it, else the worst of `categories`, which is all that it is to her.
    destiny: what becomes of it; never BOUNCE or REJECT where another has it.
    tagged: it says what it scored.
    local: she sees marks.
    """

    address: str
    category: Category
    destiny: Destiny
    levels: Levels
    categories: frozenset[Category] = frozenset()
    tagged: bool = False
    local: bool = True

    def shows(self, category: Category) -> bool:
        """Whether the message she gets is marked as being of this category."""
        return self.local and category in self.categories


class Verdict(Struct, frozen=True):
    """What becomes of a message. `category`: the worst of what decides; `destiny`: of the whole message, PASS where anybody gets
    it. `rulings`: one a recipient, in order."""

    contents: Contents
    category: Category
    destiny: Destiny
    rulings: tuple[Ruling, ...]


Destinies = Mapping[Category, Destiny]
"""What becomes of each category; of what is not named, PASS."""


def judge(contents: Contents, policies: Sequence[RecipientPolicy], destinies: Destinies, *, waits: bool) -> Verdict:
    """What becomes of a message for each of its recipients. `waits`: whether a client waits for the reply, and so hears of a
    refusal; without one, a refusal becomes a notice to whoever the sender is said to be.

    One reply cannot serve recipients who differ: where anybody has the message, it is quarantined for those who would refuse it.
    """
    wanted = [_wanted(contents, policy, destinies) for policy in policies]
    if not waits:
        wanted = [structs.replace(one, destiny=_unheard(one)) for one in wanted]
    if any(one.destiny not in _NOT_ACCEPTED for one in wanted):
        wanted = [structs.replace(one, destiny=_accepted(one.destiny)) for one in wanted]
    destiny = next((one for one in _OF_THE_WHOLE if any(ruling.destiny is one for ruling in wanted)), Destiny.PASS)
    deciding = [ruling.category for ruling in wanted if ruling.destiny is destiny]
    return Verdict(contents, max(deciding, default=Category.CLEAN), destiny, tuple(wanted))


_NOT_ACCEPTED = frozenset((Destiny.REJECT, Destiny.BOUNCE, Destiny.DISCARD))

_OF_THE_WHOLE = (Destiny.PASS, Destiny.QUARANTINE, Destiny.REJECT, Destiny.BOUNCE, Destiny.DISCARD)
"""The first of these that a recipient has is that of the message."""


def _wanted(contents: Contents, policy: RecipientPolicy, destinies: Destinies) -> Ruling:
    """What a recipient would have become of it, were she alone."""
    categories = _categories(contents, policy)
    worst_first = sorted(categories, reverse=True)
    stops = (one for one in worst_first if one not in policy.lover and destinies.get(one, Destiny.PASS) is not Destiny.PASS)
    category = next(stops, None)
    levels, asked = policy.levels, contents.scanned and Category.SPAM not in policy.bypass
    return Ruling(
        policy.address,
        worst_first[0] if category is None else category,
        Destiny.PASS if category is None else destinies[category],
        levels,
        categories,
        tagged=asked and policy.local and contents.score >= levels.tag,
        local=policy.local,
    )


def _categories(contents: Contents, policy: RecipientPolicy) -> frozenset[Category]:
    found = {
        Category.BAD_HEADER: bool(contents.bad_header),
        Category.SPAMMY: contents.scanned and contents.score >= policy.levels.tag2,
        Category.SPAM: contents.scanned and contents.score >= policy.levels.kill,
        Category.UNCHECKED: bool(contents.unchecked),
        Category.BANNED: bool(contents.banned),
        Category.VIRUS: bool(contents.viruses),
    }
    seen = [category for category, there in found.items() if there and _LOOKED_FOR_AS.get(category, category) not in policy.bypass]
    return frozenset(seen or (Category.CLEAN,))


_LOOKED_FOR_AS = {Category.SPAMMY: Category.SPAM, Category.UNCHECKED: Category.VIRUS}
"""Categories that come of the looking for another one."""


def _unheard(ruling: Ruling) -> Destiny:
    """A refusal that would become mail: only somebody who asked for BOUNCE, and only of what is not forged as a rule."""
    if ruling.destiny is Destiny.REJECT or (ruling.destiny is Destiny.BOUNCE and ruling.category in _FORGED):
        return Destiny.QUARANTINE
    return ruling.destiny


_FORGED = frozenset((Category.SPAM, Category.SPAMMY, Category.VIRUS))
"""What comes under the names of others."""


def _accepted(destiny: Destiny) -> Destiny:
    return Destiny.QUARANTINE if destiny in (Destiny.REJECT, Destiny.BOUNCE) else destiny
