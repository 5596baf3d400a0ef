"""The frozen values between the scanner, which knows what a message makes rules ask, and the worker, which asks the DNS.

They cross a socket: a question names all that the worker needs, and holds no rule but the names of those that hang on its answer.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

_Few = Meta(max_length=2000)
"""Values of a kind: who has taken a scanner over shall not have the worker make millions of them."""


class Fit(StrEnum):
    """How an answer is judged (perldoc Mail::SpamAssassin::Plugin::URIDNSBL and AskDNS, "subtest")."""

    ANY = "any"
    """Any record of the type."""
    PATTERN = "pattern"
    """`text`, a pattern, matches it."""
    TEXT = "text"
    """It is `text`."""
    BITS = "bits"
    """An address in 127.0.0.0/8 that has a bit of `low`."""
    RANGE = "range"
    """An address from `low` to `high`."""
    MASKED = "masked"
    """An address whose bits of `high` are those of `low`."""
    CODE = "code"
    """The response code (RFC 1035 §4.1.1) is `low`."""
    ABSENT = "absent"
    """No question of the rule has a record, and each was answered."""


class Want(Struct, frozen=True):
    """A rule that hits where a record fits. Addresses are numbers in `low` and `high`; a pattern is one of `lookup.pcre2`, its
    options are in `low`."""

    rule: str
    fit: Fit = Fit.ANY
    text: Annotated[bytes, Meta(max_length=4096)] = b""
    low: int = 0
    high: int = 0


class Step(StrEnum):
    """What is made of the answer to a question, to be asked in a list's zone."""

    ADDRESS = "address"
    """Each address, reversed (of an NS record: each address of that host)."""
    HOST = "host"
    """Each host that it names."""
    DOMAIN = "domain"
    """The registered domain of each host that it names."""


class Then(Struct, frozen=True):
    """A list that is asked for what a question's answer names."""

    step: Step
    zone: str
    record: str
    wants: Annotated[tuple[Want, ...], _Few]


class Question(Struct, frozen=True):
    """A name that is asked for once a message, whatever number of rules hang on it.

    name: without the final dot, in lower case, ASCII.
    record: `A`, `TXT`, `NS` ...
    wants: rules that hang on the answer.
    then: lists that are asked for what the answer names.
    """

    name: str
    record: str
    wants: Annotated[tuple[Want, ...], _Few] = ()
    then: Annotated[tuple[Then, ...], _Few] = ()


class Lookups(Struct, frozen=True):
    """What a message makes rules ask.

    questions: those that are asked, in order of their worth.
    left_out: how many more there were.
    longest, least: seconds, `rbl_timeout`: how long the first and the last answer is waited for.
    """

    questions: Annotated[tuple[Question, ...], Meta(max_length=10_000)] = ()
    left_out: int = 0
    longest: float = 15.0
    least: float = 3.0


def rules_of(lookups: Lookups) -> Iterator[str]:
    """The rules that hang on answers, some more than once."""
    for question in lookups.questions:
        yield from (want.rule for want in question.wants)
        yield from (want.rule for then in question.then for want in then.wants)
