"""What a table of *_dns_reply_filter says of a record."""

import asyncio
from typing import Any

import pytest

from gatepost.events.records import Event
from gatepost.lookup.registry import Tables
from gatepost.net.port import Answer, Filtered, FilterFailed
from gatepost.service.reply_filter import filtered

RECORD = "x.test. 5 IN A 192.0.2.1"


class Source:
    async def answer(self, name: str, record: str) -> Answer:
        return Answer(("192.0.2.1",), "x.test", 5, 0.0)

    async def a(self, name: str) -> tuple[str, ...]:
        return ("192.0.2.1",)


def ask(tables: str) -> tuple[object, list[str]]:
    told: list[str] = []

    def emit(event: Event) -> None:
        told.append(f"{getattr(event, 'severity', '')}:{getattr(event, 'text', '')}")

    async def scene() -> object:
        maps = Tables(lambda text: told.append(f"table:{text}")).maps(tables, "smtp_dns_reply_filter")
        source: Any = Source()
        try:
            return await filtered(source, maps, emit, "smtp").a("x.test")
        except (Filtered, FilterFailed) as failure:
            return type(failure)

    return asyncio.run(scene()), told


@pytest.mark.parametrize("action", ["IGNORE", "ignore", "Ignore because of that", "ignore\tthis"])
def test_a_record_that_is_ignored(action: str) -> None:
    assert ask(f"inline:{{ {{ {RECORD} = {action} }} }}") == (Filtered, [f":ignoring DNS RR: {RECORD}"])


@pytest.mark.parametrize("action", ["DISCARD", "IGNORED", "reject 5.7.1 x", "DUNNO"])
def test_an_action_that_is_none(action: str) -> None:
    told = f'warning:smtp_dns_reply_filter: unknown DNS filter action: "{action}"'
    assert ask(f"inline:{{ {{ {RECORD} = {action} }} }}") == (FilterFailed, [told])


@pytest.mark.parametrize("tables", ["", "inline:{x=IGNORE}"])
def test_a_record_that_is_not_listed(tables: str) -> None:
    assert ask(tables) == (("192.0.2.1",), [])


def test_a_table_that_cannot_answer() -> None:
    answer, told = ask("fail:because")
    assert (answer, told) == (FilterFailed, [f'table:fail:because lookup error for "{RECORD}"'])


def test_no_filter_is_no_step_on_the_way() -> None:
    source: Any = Source()
    assert filtered(source, Tables(print).maps("", "x"), lambda event: None, "smtp") is source
