"""Rules that hang on answers of the DNS, and metas over them, counted by the worker."""

import asyncio

import msgspec
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
    "octets",
    [
        b"\xc1",
        b"\x92\xa1/\x01",
        b"\x93\xa1/\x01\x00",
        b"\x91" * 5000 + b"\x01",
        b"\x92\xa7unknown\x01",
        b"\x90",
        b"\x80",
        b"\xc0",
        b"\xa1x",
    ],
)
def test_an_expression_of_a_scanner_that_went_wrong_is_no_hit(octets: bytes) -> None:
    assert settled(Facts(pending=(Pending(ScoredHit("R"), octets),)), Answers()) == ()


def test_names_are_asked_and_counted() -> None:
    facts = Facts(lookups=Lookups((Question("2.list.test", "A", (Want("LISTED"),)),)), pending=(Pending(ScoredHit("LISTED", 1.0)),))

    async def run() -> list[str]:
        asked = AskedNames(Table({"2.list.test A": ("127.0.0.2",)}), asyncio.get_running_loop().time, 5.0, 100)
        return [hit.rule for hit in await asked.answers(facts)]

    assert asyncio.run(run()) == ["LISTED"]


def test_a_scanner_gone_wrong_asks_no_more_than_others_and_only_for_names() -> None:
    """Whoever has taken it over would have the worker ask for anything, and any number of times."""
    table = Table({})
    wrong = [Question(name, "A") for name in ("", "A.test", "a\udc80.test", "a" * 64 + ".test", "a b.test")]
    questions = (*wrong, *(Question(f"{number}.list.test", "A") for number in range(500)))

    async def run() -> None:
        asked = AskedNames(table, asyncio.get_running_loop().time, 5.0, 100)
        assert await asked.answers(Facts(lookups=Lookups(questions))) == ()

    asyncio.run(run())
    assert table.asked == [f"{number}.list.test A" for number in range(100)]


def test_expressions_of_a_scanner_gone_wrong_cost_no_time() -> None:
    """Products of whole numbers grow with each factor; the work with their square, and the loop stands still meanwhile."""
    product = msgspec.msgpack.encode(["*", *[2**63 + 1] * 100_000])
    [hit] = settled(Facts(pending=(Pending(ScoredHit("R"), product),)), Answers())
    assert hit.rule == "R"
    assert settled(Facts(pending=(Pending(ScoredHit("R"), bytes(1 << 21)),)), Answers()) == ()
