"""A scheduler that retires (a reload): it ends what is under way, and begins no more."""

import asyncio
from pathlib import Path

from tests.support.scheduler import UNKNOWN, House, answer
from tests.support.settings import transport_limits

from gatepost.events.records import Activated, Delivered, Removed
from gatepost.mail.outcome import sent
from gatepost.queue import inspect

ONE_AT_A_TIME = transport_limits(initial_destination_concurrency=1, destination_concurrency_limit=1)


def _queues(directory: Path) -> list[str]:
    return [message.queue for message in inspect.messages(directory)]


def test_what_waits_for_its_turn_waits_in_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("250 ok")), limits=ONE_AT_A_TIME) as house:
            gate = house.agent.gate = asyncio.Event()
            for _ in range(3):
                await house.put("b@remote.test")
            await house.until(lambda: house.agent.running)
            house.scheduler.retire()
            await house.queue.hand_over()
            await house.idle()
            assert _queues(tmp_path) == ["active", "incoming", "incoming"]
            assert house.scheduler.active == 1
            gate.set()
            await asyncio.wait_for(house.scheduler.wind_down(), 5)
            await house.idle()
            assert house.statuses() == ["sent"]
            assert _queues(tmp_path) == ["incoming", "incoming"]

    asyncio.run(scenario())


def test_what_comes_later_and_what_is_being_routed_waits_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("250 ok"))) as house:
            await house.put("b@remote.test")  # its route is not known yet
            house.scheduler.retire()
            await house.queue.hand_over()
            await house.put("c@remote.test", "d@other.test")
            house.run()
            await house.idle()
            assert house.agent.requests == []
            assert _queues(tmp_path) == ["incoming"] * 2
            assert house.scheduler.active == 0

    asyncio.run(scenario())


def test_a_message_partly_under_way_ends_with_its_notice(tmp_path: Path) -> None:
    """Of what has failed the sender hears, though another recipient of the message waits; and it is not said to be gone."""

    async def scenario() -> None:
        async with House(tmp_path, answer(UNKNOWN), limits=ONE_AT_A_TIME) as house:
            gate = house.agent.gate = asyncio.Event()
            await house.put("first@remote.test")
            await house.until(lambda: house.agent.running)
            identity = await house.put("b@other.test", "c@remote.test")
            await house.until(lambda: house.agent.running == 2)
            house.scheduler.retire()
            await house.queue.hand_over()
            gate.set()
            await asyncio.wait_for(house.scheduler.wind_down(), 5)
            assert sorted(house.notices.sent) == [("bounced", ["b@other.test"]), ("bounced", ["first@remote.test"])]
            assert str(identity) not in [event.queue_id for event in house.seen(Removed)]
            assert await house.queue.live(identity) == 1
            assert len(house.seen(Delivered)) == 2

    asyncio.run(scenario())


def test_a_partition_that_stays_its_own_is_let_alone(tmp_path: Path) -> None:
    """It is handed over later; until then what waits in it would only be taken and put back, over and over."""

    async def scenario() -> None:
        async with House(tmp_path, answer(sent("250 ok"))) as house:
            house.scheduler.retire()
            await house.put("b@remote.test")
            house.run()
            await house.idle()
            assert house.seen(Activated) == []
            assert _queues(tmp_path) == ["incoming"]

    asyncio.run(scenario())
