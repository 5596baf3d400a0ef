"""Answers that are filtered record by record: what a filter is asked, and what is left."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gatepost.net.port import MX, SRV, Answer, Filtered, FilterFailed, NotFound
from gatepost.net.reply_filter import FilteredResolver, Keeps

ANSWERS: dict[tuple[str, str], tuple[object, ...]] = {
    ("x.test", "MX"): (MX(10, "mx1.test"), MX(20, "mx2.test")),
    ("null.test", "MX"): (MX(0, ""),),
    ("x.test", "A"): ("192.0.2.1", "192.0.2.2"),
    ("x.test", "AAAA"): ("2001:db8::1",),
    ("x.test", "TXT"): ("v=spf1 -all",),
    ("x.test", "NS"): ("ns.test",),
    ("x.test", "SRV"): (SRV(1, 2, 25, "mx1.test"),),
}


class Source:
    async def answer(self, name: str, record: str) -> Answer:
        if (name, record) not in ANSWERS:
            raise NotFound(name, record, "no such name", exists=False)
        return Answer(ANSWERS[name, record], f"owner.{name}", 60, 0.0)

    async def host(self, name: str) -> tuple[str, ...]:
        return ("192.0.2.9",)

    async def ptr(self, address: str) -> tuple[str, ...]:
        return ("nine.test",)


def ask(keeps: Keeps, question: Callable[[Any], Awaitable[Any]]) -> Any:
    async def scene() -> Any:
        return await question(FilteredResolver(Source(), keeps))  # type: ignore[arg-type]

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        (lambda dns: dns.mx("x.test"), ["owner.x.test. 60 IN MX 10 mx1.test.", "owner.x.test. 60 IN MX 20 mx2.test."]),
        (lambda dns: dns.mx("null.test"), ["owner.null.test. 60 IN MX 0 ."]),
        (lambda dns: dns.a("x.test"), ["owner.x.test. 60 IN A 192.0.2.1", "owner.x.test. 60 IN A 192.0.2.2"]),
        (lambda dns: dns.aaaa("x.test"), ["owner.x.test. 60 IN AAAA 2001:db8::1"]),
        (lambda dns: dns.txt("x.test"), ["owner.x.test. 60 IN TXT v=spf1 -all"]),
        (lambda dns: dns.ns("x.test"), ["owner.x.test. 60 IN NS ns.test."]),
        (lambda dns: dns.srv("x.test"), ["owner.x.test. 60 IN SRV 1 2 25 mx1.test."]),
        (lambda dns: dns.host("x.test"), []),
        (lambda dns: dns.ptr("192.0.2.9"), []),
    ],
)
def test_a_filter_is_asked_for_each_record(question: Callable[[Any], Awaitable[Any]], texts: list[str]) -> None:
    asked = []

    async def keeps(record: str) -> bool:
        asked.append(record)
        return True

    assert ask(keeps, question)
    assert asked == texts


async def second(record: str) -> bool:
    return "20" in record


async def none(record: str) -> bool:
    return False


async def unknown(record: str) -> bool | None:
    return None if "20" in record else True


def test_what_is_kept_is_left() -> None:
    assert ask(second, lambda dns: dns.mx("x.test")) == (MX(20, "mx2.test"),)


@pytest.mark.parametrize(
    ("keeps", "name", "failure", "text"),
    [
        (none, "x.test", Filtered, "DNS reply filter drops all results"),
        (unknown, "x.test", FilterFailed, "Invalid DNS reply filter syntax"),
        (none, "nowhere.test", NotFound, "no such name"),
    ],
)
def test_nothing_is_left(keeps: Keeps, name: str, failure: type[Exception], text: str) -> None:
    with pytest.raises(failure) as raised:
        ask(keeps, lambda dns: dns.mx(name))
    assert str(raised.value) == f"{name} type MX: {text}"
