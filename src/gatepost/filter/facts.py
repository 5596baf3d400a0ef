"""What crosses from the scanner to the worker and back: what is asked of a message, and the facts that were found in it.

Plain values that msgspec carries as MessagePack. The scanner has been with hostile content: the worker believes no more of its
answer than that it is of these types (service/scanner_client.py). What each part finds has its field here; a part that has not
looked leaves it empty.
"""

from collections.abc import Mapping

from msgspec import Struct

from gatepost.filter.port import Session


class Request(Struct, frozen=True):
    """What is asked of a message.

    session: where it comes from.
    spam: whether rules, Bayes and the learner are asked (nobody needs them where all recipients bypass spam checks).
    attachments: whether parts and the members of archives are listed, for banned names and types.
    explain: whether texts that matched and the cost of each rule are told.
    """

    session: Session
    spam: bool = True
    attachments: bool = True
    explain: bool = False


class ScoredHit(Struct, frozen=True, omit_defaults=True):
    """A rule that hits.

    rule: its name; one that begins with `__` scores nothing and is told for the sake of others.
    score: in the score set that was used.
    count: how often (tflags multiple).
    flags: its tflags (`net`, `learn`, `nice`, `noautolearn`, `userconf` ...).
    kind: of the rule: `header`, `body`, `rawbody`, `uri`, `full`, `mimeheader`, `meta`, `eval`.
    description: for people.
    matched: what matched first, cut; empty where that was not asked, or there is nothing to show.
    """

    rule: str
    score: float = 0.0
    count: int = 1
    flags: tuple[str, ...] = ()
    kind: str = ""
    description: str = ""
    matched: bytes = b""


class Question(Struct, frozen=True, omit_defaults=True):
    """A name that rules ask the DNS for.

    name, type: of the query (`2.0.0.127.zen.example`, `A`).
    rule: the one that hits where an answer fits.
    kind: which way to ask (`rbl`, `uri`, `askdns`, `hashbl` ...).
    answer: what of the answer counts, in the notation of the rule; empty for any.
    matched: what the name was made of, for people.
    """

    name: str
    type: str
    rule: str
    kind: str = ""
    answer: str = ""
    matched: bytes = b""


class Pending(Struct, frozen=True, omit_defaults=True):
    """A rule that hangs on answers: one of a question, or a meta rule over such ones, in the order in which they are counted.

    hit: what it is if it hits.
    expression: of a meta rule, over names; empty for the rule of a question.
    """

    hit: ScoredHit
    expression: str = ""


class Item(Struct, frozen=True, omit_defaults=True):
    """A part of the message, or a member of an archive in it, as banned rules see it (amavisd-new: banned_filename_re).

    path: where it stands; (1, 2) is the second part of the first, members go on from their archive.
    names: the file names that it is given.
    declared: its type as Content-Type says, in lower case; empty for a member.
    types: what it is by its content, in short names of amavisd-new (`exe`, `zip`, `asc` ...).
    size: octets, unpacked.
    encrypted: whether it cannot be looked into without a password.
    undecoded: why it was not looked into; empty where it was.
    """

    path: tuple[int, ...]
    names: tuple[str, ...] = ()
    declared: str = ""
    types: tuple[str, ...] = ()
    size: int = 0
    encrypted: bool = False
    undecoded: str = ""


class Weighed(Struct, frozen=True):
    """A token and what it weighs: towards spam above zero, towards ham below."""

    token: bytes
    weight: float


class Opinion(Struct, frozen=True, omit_defaults=True):
    """What Bayes, or the learner, thinks.

    probability: of spam, 0 to 1.
    points: what it adds to the score; 0 for Bayes, whose points are those of its rules.
    known: how many messages of each kind it has learned, ham and spam.
    weighed: those tokens that weighed most, the heaviest first.
    """

    probability: float
    points: float = 0.0
    known: tuple[int, int] = (0, 0)
    weighed: tuple[Weighed, ...] = ()


class LearningPoints(Struct, frozen=True):
    """What decides on learning by itself (Mail::SpamAssassin::Plugin::AutoLearnThreshold).

    score: in a score set without Bayes, and without rules that must not count.
    header, body: how much of it came from where.
    forced: whether a rule with tflags autolearn_force hit.
    """

    score: float = 0.0
    header: float = 0.0
    body: float = 0.0
    forced: bool = False


class Unexamined(Struct, frozen=True):
    """What was left out.

    what: `rule`, `body`, `parts`, `archive` ...
    name: of the rule or the part.
    why: for people.
    """

    what: str
    name: str
    why: str


class Facts(Struct, frozen=True, omit_defaults=True):
    """What was found in a message.

    hits: all rules that hit without the network, in the order of their names; with those that only other rules need.
    score: the sum of their scores.
    score_set: 0 to 3 (Mail::SpamAssassin::Conf: 1 for network tests, 2 for Bayes).
    questions: names to be asked for.
    pending: what hangs on their answers.
    items: parts and members of archives.
    bayes, learner: what they think; None where they were not asked, or know too little.
    learning: what autolearning goes by.
    tokens: of the message, as the store of Bayes keeps them (hashes); where learning may need them.
    unexamined: what was left out.
    faults: rules whose function raised, each with what it said; for the log.
    seconds: of the processor, by stage.
    costs: the same by rule, where that was asked.
    """

    hits: tuple[ScoredHit, ...] = ()
    score: float = 0.0
    score_set: int = 0
    questions: tuple[Question, ...] = ()
    pending: tuple[Pending, ...] = ()
    items: tuple[Item, ...] = ()
    bayes: Opinion | None = None
    learner: Opinion | None = None
    learning: LearningPoints = LearningPoints()
    tokens: tuple[bytes, ...] = ()
    unexamined: tuple[Unexamined, ...] = ()
    faults: tuple[str, ...] = ()
    seconds: Mapping[str, float] = {}
    costs: Mapping[str, float] = {}
