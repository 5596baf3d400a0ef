"""What nobody expected to be raised costs the recipients at hand another attempt: no site, no neighbour, no loop pays for it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.scheduler import GREYLISTED, UNKNOWN, House, answer
from tests.support.settings import transport_limits

from gatepost.events.records import Activated, Delivered, Event, Note, Removed
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.outcome import sent

ONE_FAILURE_IS_ENOUGH = transport_limits(initial_destination_concurrency=1, destination_concurrency_failed_cohort_limit=1)


def bad(request: DeliveryRequest) -> Sequence[Report]:
    """An agent that breaks of a recipient called bad."""
    if any(r.recipient.address.startswith("bad") for r in request.recipients):
        raise RuntimeError("boom")
    return answer(sent("ok"))(request)


def panics(house: House) -> list[str]:
    return [note.text for note in house.seen(Note) if note.severity == "panic"]


def test_a_fault_is_no_fault_of_the_site(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, bad, limits=ONE_FAILURE_IS_ENOUGH) as house:
            for _ in range(5):
                await house.put("bad@remote.test")
                await house.until(lambda: len(house.seen(Activated)) == len(house.statuses()))
            await house.put("good@remote.test")
            await house.until(lambda: house.seen(Removed))
            assert house.statuses() == ["deferred"] * 5 + ["sent"]
            assert len(panics(house)) == 5

    asyncio.run(scenario())


def test_a_transport_that_is_missing_is_no_fault_of_the_site(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok")), limits=ONE_FAILURE_IS_ENOUGH) as house:
            house.agents.clear()
            await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            house.agents["smtp"] = house.agent
            await house.put("c@remote.test")
            await house.until(lambda: house.seen(Removed))

    asyncio.run(scenario())


def test_who_breaks_a_delivery_goes_alone_the_next_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, bad) as house:
            identity = await house.put("bad@remote.test", "good@remote.test", "fine@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            assert house.statuses() == ["deferred"] * 3
            house.now += 1000
            house.run()
            await house.until(lambda: len(house.statuses()) == 6 and not house.scheduler.active)
            assert sorted(event.recipient for event in house.seen(Delivered) if event.status == "sent") == [
                "fine@remote.test",
                "good@remote.test",
            ]
            assert await house.queue.live(identity) == 1

    asyncio.run(scenario())


def test_what_was_delivered_is_settled_whatever_breaks_afterwards(tmp_path: Path) -> None:
    """A log that breaks: the recipient has the mail, and does not get it again."""

    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok"))) as house:
            keep = house.emit

            def breaks(event: Event) -> None:
                if isinstance(event, Delivered):
                    raise RuntimeError("boom")
                keep(event)

            house.emit = breaks
            identity = await house.put("b@remote.test")
            await house.until(lambda: panics(house))
            await house.until(lambda: not house.scheduler.active)
            assert await house.queue.live(identity) == 0

    asyncio.run(scenario())


def test_a_claimed_message_that_breaks_does_not_keep_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED)) as house:
            broken = [await house.put(f"{number}@remote.test") for number in range(3)][1]
            await house.until(lambda: len(house.statuses()) == 3 and not house.scheduler.active)
            keep = house.emit

            def breaks(event: Event) -> None:
                if isinstance(event, Activated) and event.queue_id == str(broken):
                    raise RuntimeError("boom")
                keep(event)

            house.emit = breaks
            house.agent.say = answer(sent("ok"))
            house.now += 1000
            house.run()
            await house.until(lambda: len(house.seen(Removed)) == 2 and panics(house))
            house.emit = keep
            house.now += 10_000
            await house.until(lambda: len(house.seen(Removed)) == 3)

    asyncio.run(scenario())


def test_a_notice_that_breaks_is_told_of_and_its_recipient_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(UNKNOWN)) as house:
            house.notices.fault = RuntimeError("boom")
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            assert panics(house) == [f"RuntimeError: boom: {identity}: notice not sent, it is tried again later"]
            assert await house.queue.live(identity) == 1

    asyncio.run(scenario())


WAYS = {
    "good": lambda: answer(sent("ok")),
    "greylisted": lambda: answer(GREYLISTED),
    "unknown": lambda: answer(UNKNOWN),
    "bad": lambda: bad,
    "silent": lambda: lambda request: [],
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=6))
def test_whatever_an_agent_does_every_recipient_is_delivered_returned_or_waits(
    tmp_path_factory: pytest.TempPathFactory, ways: list[str]
) -> None:
    """And the site stays open to whoever comes after."""

    def say(request: DeliveryRequest) -> Sequence[Report]:
        return WAYS[request.recipients[0].recipient.address.partition(".")[0]]()(request)

    async def scenario() -> None:
        async with House(tmp_path_factory.mktemp("queue"), say, limits=ONE_FAILURE_IS_ENOUGH) as house:
            live = {}
            for number, way in enumerate(ways):
                live[await house.put(f"{way}.{number}@remote.test")] = way not in ("good", "unknown")
            await house.until(lambda: len(house.statuses()) == len(ways) and not house.scheduler.active)
            assert {identity: bool(await house.queue.live(identity)) for identity in live} == live
            await house.put("good.last@remote.test")
            await house.until(lambda: house.statuses()[-1] == "sent" and not house.scheduler.active)

    asyncio.run(scenario())
