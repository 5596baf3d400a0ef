"""Rules that hang on answers of the DNS, and metas over them, counted by the worker."""

import asyncio

import pytest
from tests.unit.filter.names.test_answering import Table

from gatepost.filter.counting import AskedNames, settled, with_answers
from gatepost.filter.facts import Facts, Pending, ScoredHit
from gatepost.filter.names.answering import Answers
from gatepost.filter.names.questions import Lookups, Question, Want
from gatepost.filter.port import Hit
from gatepost.filter.rules import expressions


def meta(name: str, text: str, score: float = 1.0) -> Pending:
    return Pending(ScoredHit(name, score), expressions.encoded(expressions.parsed(text, lambda function, argument: 0)))


FACTS = Facts(
    hits=(ScoredHit("LOCAL", 2.0, 3), ScoredHit("__SUB")),
    score=2.0,
    pending=(
        Pending(ScoredHit("LISTED", 1.5)),
        Pending(ScoredHit("__OTHER")),
        meta("BOTH", "LISTED && __SUB", 0.5),
        meta("NOT", "!LISTED", 8.0),
        meta("OVER_META", "BOTH && LOCAL == 3", 0.25),
    ),
)


def names(hits: tuple[ScoredHit, ...]) -> list[str]:
    return [hit.rule for hit in hits]


def test_answers_and_what_hangs_on_them() -> None:
    hits = settled(FACTS, Answers((Hit("LISTED", matched=b"1.2.list: 127.0.0.2"),)))
    assert names(hits) == ["LISTED", "BOTH", "OVER_META"]
    assert hits[0].matched == b"1.2.list: 127.0.0.2"
    done = with_answers(FACTS, hits)
    assert (names(done.hits), done.score, done.pending) == (["BOTH", "LISTED", "LOCAL", "OVER_META", "__SUB"], 4.25, ())


def test_without_answers_only_what_wants_none_hits() -> None:
    assert names(settled(FACTS, Answers())) == ["NOT"]


def test_a_rule_that_nothing_hangs_on_is_no_hit() -> None:
    assert names(settled(FACTS, Answers((Hit("INVENTED"),)))) == ["NOT"]


@pytest.mark.parametrize(
    "octets", [b"\xc1", b"\x92\xa1/\x01", b"\x93\xa1/\x01\x00", b"\x91" * 5000 + b"\x01", b"\x92\xa7unknown\x01", b"\x90"]
)
def test_an_expression_of_a_scanner_that_went_wrong_is_no_hit(octets: bytes) -> None:
    assert settled(Facts(pending=(Pending(ScoredHit("R"), octets),)), Answers()) == ()


def test_names_are_asked_and_counted() -> None:
    facts = Facts(lookups=Lookups((Question("2.list.test", "A", (Want("LISTED"),)),)), pending=(Pending(ScoredHit("LISTED", 1.0)),))

    async def run() -> list[str]:
        asked = AskedNames(Table({"2.list.test A": ("127.0.0.2",)}), asyncio.get_running_loop().time, 5.0)
        return [hit.rule for hit in await asked.answers(facts)]

    assert asyncio.run(run()) == ["LISTED"]
