"""What becomes of a message, for each of its recipients: a pure function of what was found in it and of what they want.

Categories, levels and destinies are those of amavisd-new (amavisd.conf: contents categories, `final_*_destiny`, `sa_*_level`,
`*_lovers_maps`, `bypass_*_checks_maps`).
"""

import enum
from collections.abc import Mapping
from typing import Final

from msgspec import Struct


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
    autolearn: what was learned of it (`no`, `ham`, `spam`, `disabled` ...).
    scanned, virus_scanned: whether anybody has looked for spam, for viruses.
    """

    score: float = 0.0
    tests: tuple[Scored, ...] = ()
    viruses: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    bad_header: tuple[str, ...] = ()
    autolearn: str = "no"
    scanned: bool = True
    virus_scanned: bool = True


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
    category: what stops it, else the worst of what it is to her.
    destiny: what becomes of it; never BOUNCE or REJECT where another has it.
    tagged: it says what it scored. spam: it is called spam.
    """

    address: str
    category: Category
    destiny: Destiny
    levels: Levels
    tagged: bool = False
    spam: bool = False
    unchecked: bool = False


class Verdict(Struct, frozen=True):
    """What becomes of a message. `category`: the worst of what decides; `destiny`: of the whole message, PASS where anybody gets
    it. `rulings`: one a recipient, in order."""

    contents: Contents
    category: Category
    destiny: Destiny
    rulings: tuple[Ruling, ...]


Destinies = Mapping[Category, Destiny]
"""What becomes of each category; of what is not named, PASS."""
