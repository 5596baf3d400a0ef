"""What crosses from the scanner to the worker and back: what is asked of a message, and the facts that were found in it.

Plain values that msgspec carries as MessagePack. The scanner has been with hostile content: the worker believes no more of its
answer than that it is of these types (service/scanner/client.py). What each part finds has its field here; a part that has not
looked leaves it empty.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from gatepost.filter.archives.port import ArchiveFacts
from gatepost.filter.bayes.port import Opinion as BayesOpinion
from gatepost.filter.learner.port import Opinion as LearnerOpinion
from gatepost.filter.names.questions import Lookups
from gatepost.filter.port import Session

_Few = Meta(max_length=1000)
_Many = Meta(max_length=50_000)
"""Values of a kind: whoever has taken a scanner over shall not have the worker make millions of them."""


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


class Pending(Struct, frozen=True, omit_defaults=True):
    """A rule that hangs on answers: one of a question, or a meta rule over such ones, in the order in which they are counted.

    hit: what it is if it hits.
    expression: of a meta rule, as `rules.expressions` encodes it; empty for the rule of a question.
    """

    hit: ScoredHit
    expression: bytes = b""


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
    lookups: names to be asked for.
    pending: what hangs on their answers.
    archives: the files of the message, and of archives in it.
    bayes, learner: what they say; None where they were not asked.
    unexamined: what was left out.
    faults: rules whose function raised, each with what it said; for the log.
    seconds: of the processor, by stage.
    costs: the same by rule, where that was asked.
    """

    hits: Annotated[tuple[ScoredHit, ...], _Many] = ()
    score: float = 0.0
    score_set: int = 0
    lookups: Lookups = Lookups()
    pending: Annotated[tuple[Pending, ...], _Many] = ()
    archives: ArchiveFacts = ArchiveFacts()
    bayes: BayesOpinion | None = None
    learner: LearnerOpinion | None = None
    unexamined: Annotated[tuple[Unexamined, ...], _Few] = ()
    faults: Annotated[tuple[str, ...], _Few] = ()
    seconds: Annotated[Mapping[str, float], _Few] = {}
    costs: Annotated[Mapping[str, float], _Many] = {}
