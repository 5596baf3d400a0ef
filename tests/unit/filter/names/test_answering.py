"""Questions resolved at once and within their time, and the rules that the answers hit."""

import asyncio
from collections.abc import Mapping

import pytest

from gatepost.filter.names.answering import Answers, answers, patience
from gatepost.filter.names.questions import Fit, Lookups, Question, Step, Then, Want
from gatepost.net.answers import Answers as ByType
from gatepost.net.port import MX, Answer, NotFound, TryAgain

Records = Mapping[str, tuple[object, ...] | Exception | None]


class Table(ByType):
    """A resolver that knows a table, counts what it is asked, and never answers what stands there as None."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.asked: list[str] = []

    async def answer(self, name: str, record: str) -> Answer:
        key = f"{name} {record}"
        self.asked.append(key)
        found = self.records.get(key, NotFound(name, record, "no such name", exists=False))
        if found is None:
            await asyncio.Event().wait()
        if isinstance(found, Exception):
            raise found
        return Answer(found or (), name, 60, 60.0)

    async def ptr(self, address: str) -> tuple[str, ...]:
        raise NotFound(address, "PTR", "none", exists=False)

    async def host(self, name: str) -> tuple[str, ...]:
        raise NotFound(name, "A", "none", exists=False)


def resolved(records: Records, *questions: Question, time_limit: float = 10.0) -> tuple[Answers, list[str]]:
    table = Table(records)
    lookups = Lookups(tuple(questions))

    async def run() -> Answers:
        return await answers(lookups, table, asyncio.get_running_loop().time, time_limit)

    return asyncio.run(run()), table.asked


def rules(found: Answers) -> list[str]:
    return sorted(hit.rule for hit in found.hits)


LISTED = Question("2.0.0.127.zen.test", "A", (Want("ANY"), Want("TWO", Fit.RANGE, low=0x7F000002, high=0x7F000002)))


def test_rules_whose_record_fits_hit_once() -> None:
    found, _ = resolved({"2.0.0.127.zen.test A": ("127.0.0.4", "127.0.0.2", "127.0.0.2")}, LISTED)
    assert rules(found) == ["ANY", "TWO"]
    assert {hit.matched for hit in found.hits} == {b"2.0.0.127.zen.test: 127.0.0.4", b"2.0.0.127.zen.test: 127.0.0.2"}


@pytest.mark.parametrize("records", [{}, {"2.0.0.127.zen.test A": TryAgain("x", "A", "SERVFAIL")}])
def test_what_fails_is_no_hit(records: Records) -> None:
    found, _ = resolved(records, LISTED)
    assert found.hits == ()
    assert found.unanswered == len(records)


def test_a_resolver_that_never_answers_costs_its_time_and_nothing_else() -> None:
    other = Question("other.test", "A", (Want("OTHER"),))
    found, _ = resolved({"2.0.0.127.zen.test A": None, "other.test A": ("127.0.0.2",)}, LISTED, other, time_limit=0.05)
    assert rules(found) == ["OTHER"]
    assert found.unanswered == 1


def test_name_servers_lead_to_their_addresses_and_those_to_the_list() -> None:
    then = Then(Step.ADDRESS, "zen.test", "A", (Want("NS"),))
    found, asked = resolved(
        {
            "shop.test NS": ("ns1.shop.test", "ns2.shop.test"),
            "ns1.shop.test A": ("8.8.4.4",),
            "ns2.shop.test A": ("8.8.4.4", "192.168.0.1"),
            "4.4.8.8.zen.test A": ("127.0.0.2",),
        },
        Question("shop.test", "NS", then=(then,)),
    )
    assert rules(found) == ["NS"]
    assert sorted(asked) == ["4.4.8.8.zen.test A", "ns1.shop.test A", "ns2.shop.test A", "shop.test NS"]


def test_a_host_leads_to_its_addresses_and_a_server_to_its_name() -> None:
    found, _ = resolved(
        {
            "www.shop.test A": ("8.8.4.4",),
            "4.4.8.8.zen.test A": ("127.0.0.2",),
            "shop.test NS": ("ns.evil.test",),
            "ns.evil.test.rhs.test A": ("127.0.0.2",),
        },
        Question("www.shop.test", "A", then=(Then(Step.ADDRESS, "zen.test", "A", (Want("A"),)),)),
        Question("shop.test", "NS", then=(Then(Step.HOST, "rhs.test", "A", (Want("RHS"),)),)),
    )
    assert rules(found) == ["A", "RHS"]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ({}, ["GONE"]),
        ({"sender.test A": NotFound("x", "A", "no data", exists=True)}, ["GONE"]),
        ({"sender.test MX": (MX(10, "mx.test"),)}, []),
        ({"sender.test A": TryAgain("x", "A", "time-out")}, []),
        ({"sender.test A": None}, []),
    ],
)
def test_a_sender_that_does_not_exist(records: Records, expected: list[str]) -> None:
    wants = (Want("GONE", Fit.ABSENT),)
    found, _ = resolved(records, Question("sender.test", "A", wants), Question("sender.test", "MX", wants), time_limit=0.05)
    assert rules(found) == expected


def test_answers_of_any_size_lead_to_a_bounded_number_of_questions() -> None:
    then = Then(Step.ADDRESS, "zen.test", "A", (Want("NS"),))
    records: dict[str, tuple[object, ...]] = {"shop.test NS": tuple(f"ns{at}.test" for at in range(10_000))}
    records |= {f"ns{at}.test A": tuple(f"8.8.{at % 250}.{other % 250}" for other in range(1000)) for at in range(100)}
    _, asked = resolved(records, Question("shop.test", "NS", then=(then,)))
    assert len(asked) <= 24
    many = resolved({"2.0.0.127.zen.test A": ("127.0.0.3",) * 100_000}, LISTED)[0]
    assert rules(many) == ["ANY"]


def test_a_type_that_nobody_can_ask_for_is_unanswered() -> None:
    found, asked = resolved({}, Question("x.test", "HINFO", (Want("R"),)))
    assert (found.unanswered, asked) == (1, [])


def test_nothing_to_ask_asks_nothing() -> None:
    assert resolved({}) == (Answers(), [])


def test_patience_is_that_of_the_manual() -> None:
    shown = [round(patience(part / 10, 15, 3), 1) for part in range(10, -1, -1)]
    assert shown == [15.0, 14.9, 14.5, 13.9, 13.1, 12.0, 10.7, 9.1, 7.3, 5.3, 3.0]
