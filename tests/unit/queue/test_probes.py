"""Probes of addresses over a real scheduler and store: they go the way of mail, and leave nothing behind."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.support.scheduler import GREYLISTED, UNKNOWN, UNREACHABLE, House, answer
from tests.support.settings import default, transport_limits

from gatepost.events.records import Activated, Delivered, MessageId, Removed
from gatepost.mail.delivery import DeliveryRequest, Purpose, Report
from gatepost.mail.envelope import Recipient
from gatepost.mail.outcome import Outcome, sent
from gatepost.queue.probes import Probed, Probes, ProbeSettings


def probes(house: House, **settings: object) -> Probes:
    return Probes(
        house.scheduler, house.queue.new_id, default(ProbeSettings, **settings), emit=house.events.append,
        clock=lambda: house.now, program=str,
    )  # fmt: skip


async def ask(house: House, address: str = "x@far.test", sender: str = "p@here.test", **settings: object) -> Probed:
    return await probes(house, **settings).probe(sender, Recipient(address, address))


def told(house: House) -> list[str]:
    return [f"{event.service} {event.status} {event.text}" for event in house.events if isinstance(event, Delivered)]


def test_it_is_told_to_who_asked_and_nothing_of_it_is_in_the_queue(tmp_path: Path) -> None:
    async def scenario() -> None:
        for outcome, word in ((sent("250 ok"), "deliverable"), (UNKNOWN, "undeliverable"), (GREYLISTED, "undeliverable")):
            async with House(tmp_path / word / outcome.enhanced, answer(outcome)) as house:
                assert await ask(house) == Probed(outcome)
                (request,) = house.agent.requests
                assert (request.purpose, request.nexthop, request.message.envelope.sender) == (
                    Purpose.VERIFY,
                    "far.test",
                    "p@here.test",
                )
                assert told(house) == [f"smtp {word} {outcome.text}"]
                kinds = [type(event) for event in house.events]
                assert kinds == [MessageId, Activated, Delivered, Removed]
                assert house.notices.sent == []
                assert house.scheduler.active == 0
                assert await house.queue.live(request.message.id) == 0

    asyncio.run(scenario())


def test_what_is_not_kept_is_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(UNKNOWN)) as house:
            await ask(house, address_verify_negative_cache=False)
            assert told(house) == [f"smtp undeliverable-but-not-cached {UNKNOWN.text}"]

    asyncio.run(scenario())


def test_it_waits_for_its_turn_and_learns_and_tells_that_a_site_is_dead(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = transport_limits(initial_destination_concurrency=1, destination_concurrency_limit=1)
        async with House(tmp_path, UNREACHABLE, limits=limits) as house:
            house.agent.gate = asyncio.Event()
            asked = [asyncio.ensure_future(ask(house, f"{n}@far.test")) for n in range(3)]
            await house.until(lambda: house.agent.requests)
            assert len(house.agent.requests) == 1
            house.agent.gate.set()
            first, *others = await asyncio.gather(*asked)
            assert len(house.agent.requests) == 1
            assert [one.outcome.text for one in others] == [f"delivery temporarily suspended: {first.outcome.text}"] * 2

    asyncio.run(scenario())


def test_a_fault_of_our_own_is_said_to_be_one(tmp_path: Path) -> None:
    def broken(request: DeliveryRequest) -> Sequence[Report]:
        raise RuntimeError("broken")

    async def scenario() -> None:
        async with House(tmp_path / "a", broken) as house:
            assert (await ask(house)).ours
        async with House(tmp_path / "b", answer(sent("ok"))) as house:
            del house.agents["smtp"]
            probed = await ask(house)
            assert probed.ours
            assert probed.outcome.text == "mail transport unavailable"
            await house.scheduler.stop()
            assert (await ask(house)).ours

    asyncio.run(scenario())


def test_an_address_that_stands_for_several_is_good(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(UNKNOWN)) as house:
            probed = probes(house).several("p@here.test", "list@here.test")
            assert probed == Probed(Outcome(probed.outcome.cls, "2.0.0", "aliased to multiple recipients"))
            assert told(house) == ["cleanup deliverable aliased to multiple recipients"]
            assert house.agent.requests == []

    asyncio.run(scenario())


def test_an_address_beyond_ascii_asks_for_smtputf8(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok"))) as house:
            await ask(house, "grüß@far.test")
            await ask(house, "x@far.test")
            await ask(house, "grüß@far.test", smtputf8_autodetect_classes="sendmail")
            assert [request.message.envelope.smtputf8 for request in house.agent.requests] == [True, False, False]

    asyncio.run(scenario())
