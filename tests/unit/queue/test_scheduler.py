"""The scheduler over a real store with an agent that does as it is told."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.notes import texts
from tests.support.scheduler import GREYLISTED, REFUSED, UNKNOWN, UNREACHABLE, House, answer
from tests.support.settings import transport_limits

from gatepost.events.notes import NoticeNotSent
from gatepost.events.records import Activated, Delivered, Note, Removed
from gatepost.mail.content import MemoryContent
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.envelope import Envelope, Notify, Recipient, Trace
from gatepost.mail.outcome import sent
from gatepost.mail.queue_id import QueueId
from gatepost.queue import actions, inspect
from gatepost.queue.port import NewMessage
from gatepost.routing.port import AddressClass, Route


def test_a_message_goes_from_memory_to_the_agent_and_leaves(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("250 ok"))) as house:
            identity = await house.put("b@remote.test", "c@remote.test", "d@other.test")
            await house.until(lambda: house.seen(Removed))
            assert house.seen(Activated) == [Activated("qmgr", str(identity), "a@client.test", 2, 3)]
            assert sorted((r.nexthop, len(r.recipients)) for r in house.agent.requests) == [("other.test", 1), ("remote.test", 2)]
            assert house.statuses() == ["sent"] * 3
            assert await house.queue.live(identity) == 0
            assert house.notices.sent == []

    asyncio.run(scenario())


def test_a_refused_recipient_is_returned_and_the_rest_delivered(tmp_path: Path) -> None:
    def say(request: DeliveryRequest) -> Sequence[Report]:
        return [
            Report(r, UNKNOWN if r.recipient.address.startswith("no") else sent("ok"), "mx.test[192.0.2.1]:25")
            for r in request.recipients
        ]

    async def scenario() -> None:
        async with House(tmp_path, say) as house:
            await house.put("no@remote.test", "b@remote.test", notify=Notify.SUCCESS)
            await house.until(lambda: house.seen(Removed))
            assert house.statuses() == ["sent", "bounced"]  # in the order of addresses
            assert house.notices.sent == [("bounced", ["no@remote.test"]), ("succeeded", ["b@remote.test"])]

    asyncio.run(scenario())


def by_name(request: DeliveryRequest) -> Sequence[Report]:
    """Answers that the recipients' names ask for."""
    outcomes = {"no": UNKNOWN, "slow": GREYLISTED}
    return [
        Report(r, outcomes.get(r.recipient.address.partition("@")[0], sent("ok")), "mx.test[192.0.2.1]:25", relayed=True)
        for r in request.recipients
    ]


EVERYBODY = ["no@remote.test", "slow@remote.test", "yes@remote.test"]


def traced(trace: Trace) -> dict[str, Any]:
    return {"attributes": (("trace_flags", str(int(trace))),)}


def test_a_probe_is_told_of_and_gone_whatever_the_answers(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, by_name) as house:
            identity = await house.put(*EVERYBODY, content_filter="amavis:x", **traced(Trace.VERIFY))
            await house.until(lambda: house.seen(Removed))
            assert [request.probe for request in house.agent.requests] == [True]
            assert house.statuses() == ["undeliverable", "undeliverable", "deliverable"]
            assert house.notices.sent == [("traced", EVERYBODY)]
            assert house.notices.actions == ["undeliverable", "undeliverable", "deliverable"]
            assert await house.queue.live(identity) == 0

    asyncio.run(scenario())


def test_a_probe_whose_report_cannot_be_sent_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, by_name) as house:
            house.notices.broken = True
            identity = await house.put(*EVERYBODY, **traced(Trace.VERIFY))
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            assert await house.queue.live(identity) == 3
            assert not house.seen(Removed)

    asyncio.run(scenario())


def test_a_traced_delivery_is_told_of_besides_all_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, by_name) as house:
            identity = await house.put(*EVERYBODY, notify=Notify.SUCCESS | Notify.FAILURE, **traced(Trace.DELIVERY))
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            assert house.statuses() == ["bounced", "deferred", "sent"]
            assert house.notices.sent == [("bounced", ["no@remote.test"]), ("traced", EVERYBODY)]
            assert house.notices.actions == ["failed", "delayed", "relayed"]
            assert await house.queue.live(identity) == 1
            house.now += 1000
            house.run()
            await house.until(lambda: len(house.statuses()) == 4 and not house.scheduler.active)
            assert [kind for kind, _ in house.notices.sent] == ["bounced", "traced"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("notify", "confirm", "told"),
    [(0, True, True), (Notify.DELAY, True, True), (Notify.FAILURE, True, False), (Notify.NEVER, True, False), (0, False, False)],
)
def test_who_was_warned_hears_that_the_delay_is_over(tmp_path: Path, notify: int, confirm: bool, told: bool) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED), delay_warning_time=60, confirm_delay_cleared=confirm) as house:
            house.now += 100
            house.queue.new_id = lambda: QueueId(int((house.now - 100) * 1_000_000), 1)  # type: ignore[method-assign]
            await house.put("b@remote.test", notify=notify)
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            assert house.notices.sent == [("delayed", ["b@remote.test"])]
            house.agent.say = answer(sent("ok"))
            house.now += 1000
            house.run()
            await house.until(lambda: house.seen(Removed))
            assert house.notices.sent[1:] == ([("succeeded", ["b@remote.test"])] if told else [])

    asyncio.run(scenario())


def test_what_is_deferred_is_tried_again_from_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED)) as house:
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            house.run()
            await house.idle()
            assert house.statuses() == ["deferred"]
            house.agent.say = answer(sent("ok"))
            house.now += 301
            await house.until(lambda: house.seen(Removed))
            again = house.agent.requests[-1].message
            assert again.id == identity
            assert again.content.read() == b"x\r\n"
            assert again.recipients[0].attempts == 1
            assert again.recipients[0].last == GREYLISTED

    asyncio.run(scenario())


def test_a_dead_site_costs_no_attempts_until_it_revives(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = transport_limits(initial_destination_concurrency=1)
        async with House(tmp_path, UNREACHABLE, limits=limits) as house:
            for _ in range(3):
                await house.put("b@remote.test")
                await house.until(lambda: len(house.seen(Activated)) == len(house.statuses()))
            assert len(house.agent.requests) == 1
            assert [e.text for e in house.seen(Delivered)] == [REFUSED.text] + [
                "delivery temporarily suspended: " + REFUSED.text
            ] * 2
            house.run()
            house.agent.say = answer(sent("ok"))
            await house.scheduler.flush()
            await house.until(lambda: len(house.seen(Removed)) == 3)

    asyncio.run(scenario())


def test_expired_mail_is_returned(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED), maximal_queue_lifetime=0) as house:
            identity = house.queue.new_id()
            house.now += 1
            message = NewMessage(identity, Envelope("a@client.test", (Recipient("b@remote.test"),)), MemoryContent(b""), 0)
            await house.queue.put(message)
            house.scheduler.accept(message)
            await house.until(lambda: house.seen(Removed))
            assert texts(house.events) == ["from=<a@client.test>, status=expired, returned to sender"]
            assert house.notices.sent == [("bounced", ["b@remote.test"])]

    asyncio.run(scenario())


def test_a_notice_that_cannot_be_sent_leaves_the_recipient_queued(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(UNKNOWN)) as house:
            house.notices.broken = True
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.seen(NoticeNotSent))
            assert await house.queue.live(identity) == 1
            assert not house.seen(Removed)

    asyncio.run(scenario())


def test_an_agent_that_raises_costs_a_deferral(tmp_path: Path) -> None:
    def say(request: DeliveryRequest) -> Sequence[Report]:
        raise RuntimeError("bug")

    async def scenario() -> None:
        async with House(tmp_path, say) as house:
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            assert house.statuses() == ["deferred"]
            assert await house.queue.live(identity) == 1

    asyncio.run(scenario())


def test_concurrency_stays_within_the_window_and_opens_with_success(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = transport_limits(initial_destination_concurrency=2, destination_concurrency_limit=4)
        async with House(tmp_path, answer(sent("ok")), limits=limits) as house:
            house.agent.gate = asyncio.Event()
            for number in range(12):
                await house.put(f"{number}@remote.test")
            await house.until(lambda: house.agent.running == 2)
            house.agent.gate.set()
            await house.until(lambda: len(house.seen(Removed)) == 12)
            assert house.agent.most <= 4

    asyncio.run(scenario())


def test_a_transport_takes_its_time_whatever_the_destination(tmp_path: Path) -> None:
    """transport_rate_delay: one delivery at a time, and a pause after each."""

    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok")), limits=transport_limits(transport_rate_delay=0.05)) as house:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for site in ("one.test", "two.test", "three.test"):
                await house.put(f"b@{site}")
            await house.until(lambda: len(house.seen(Removed)) == 3)
            assert house.agent.most == 1
            assert loop.time() - began >= 0.1

    asyncio.run(scenario())


@pytest.mark.parametrize(("configured", "nexthop"), [("", "remote.test"), ("filter.test", "filter.test")])
def test_a_content_filter_without_a_next_hop(tmp_path: Path, configured: str, nexthop: str) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok")), default_filter_nexthop=configured) as house:
            await house.put("b@remote.test", content_filter="smtp:")
            await house.until(lambda: house.seen(Removed))
            assert [request.nexthop for request in house.agent.requests] == [nexthop]

    asyncio.run(scenario())


def test_beyond_the_active_limit_mail_waits_in_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok")), qmgr_message_active_limit=2) as house:
            house.agent.gate = asyncio.Event()
            for number in range(6):
                await house.put(f"{number}@remote.test")
            assert len(house.seen(Activated)) == 2
            house.agent.gate.set()
            house.run()
            await house.until(lambda: len(house.seen(Removed)) == 6)

    asyncio.run(scenario())


def test_mail_for_a_site_that_is_slow_leaves_room_for_others(tmp_path: Path) -> None:
    """However much comes, and for how many such: what would take the last of the room waits in the store; none is lost."""

    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok")), qmgr_message_active_limit=20) as house:
            gate = house.agent.gate = asyncio.Event()
            for number in range(40):
                await house.put(f"{number}@slow.test")
                await house.put(f"{number}@slower.test")
                await asyncio.sleep(0)
            assert house.scheduler.active < 20
            house.agent.gate = None
            await house.put("b@quick.test")
            await house.until(lambda: house.seen(Removed))
            assert [event.recipient for event in house.seen(Delivered)] == ["b@quick.test"]
            gate.set()
            house.run()
            await house.until(lambda: len(house.seen(Removed)) == 81)

    asyncio.run(scenario())


def test_soft_bounce(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(UNKNOWN), soft_bounce=True) as house:
            await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            event = house.seen(Delivered)[0]
            assert (event.status, event.dsn) == ("SOFTBOUNCE", "4.1.1")

    asyncio.run(scenario())


def test_a_tool_s_flush_revives_dead_sites(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = transport_limits(initial_destination_concurrency=1)
        async with House(tmp_path, UNREACHABLE, limits=limits) as house:
            house.run()
            await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            house.agent.say = answer(sent("ok"))
            await house.idle()
            assert house.statuses() == ["deferred"]
            await asyncio.to_thread(actions.flush, tmp_path)
            await house.until(lambda: house.seen(Removed))

    asyncio.run(scenario())


def test_a_message_deleted_while_it_waits_is_not_delivered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED)) as house:
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            await house.queue.live(identity)
            actions.by_ids(tmp_path, actions.DELETE, [identity], by="root", now=house.now)
            house.now += 1000
            house.run()
            await house.idle()
            assert house.statuses() == ["deferred"]

    asyncio.run(scenario())


def test_what_was_never_tried_is_expired_for_that_and_logged(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED)) as house:
            identity = await house.put("b@remote.test", hold=True)
            assert actions.by_ids(tmp_path, actions.EXPIRE, [identity]) == ([identity], [])
            assert actions.by_ids(tmp_path, actions.EXPIRE, [identity]) == ([], [identity])
            actions.by_ids(tmp_path, actions.RELEASE, [identity], due=house.now + 100)
            assert [message.queue for message in inspect.messages(tmp_path)] == ["deferred"]
            house.run()
            await house.idle()
            assert house.statuses() == []
            house.now += 1000
            await house.until(lambda: house.seen(Removed))
            (told,) = house.seen(Delivered)
            assert (told.service, told.status, told.dsn, told.text) == (
                "error", "deferred", "4.7.0", "message is administratively expired",
            )  # fmt: skip
            assert house.notices.sent == [("bounced", ["b@remote.test"])]

    asyncio.run(scenario())


def test_what_a_person_expires_goes_back_when_it_is_due_for_the_reason_it_waited(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED)) as house:
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            await house.queue.live(identity)
            actions.by_ids(tmp_path, actions.EXPIRE, [identity])
            house.run()
            house.scheduler.changed()
            await house.idle()
            assert house.notices.sent == []
            house.now += 1000
            await house.until(lambda: house.seen(Removed))
            assert house.statuses() == ["deferred"]
            assert house.notices.sent == [("bounced", ["b@remote.test"])]
            assert house.notices.outcomes == [GREYLISTED]

    asyncio.run(scenario())


def test_what_a_tool_does_is_noticed_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED)) as house:
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            await house.queue.live(identity)
            house.agent.say = answer(sent("ok"))
            house.run()
            await house.idle()
            actions.flush(tmp_path)
            async with asyncio.timeout(0.5):
                while not house.seen(Removed):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

    asyncio.run(scenario())


def test_a_delay_warning_is_sent_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(GREYLISTED), delay_warning_time=1) as house:
            await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            house.run()
            for count in (2, 3):
                house.now += 5000
                await house.until(lambda count=count: len(house.statuses()) == count and not house.scheduler.active)
            await house.idle()
            assert house.notices.sent == [("delayed", ["b@remote.test"])]

    asyncio.run(scenario())


def test_unknown_and_deferred_transports(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with House(tmp_path, answer(sent("ok")), defer_transports="smtp") as house:
            await house.put("b@remote.test")
            await house.until(lambda: house.statuses() and not house.scheduler.active)
            await house.put("b@remote.test", content_filter="scan:[127.0.0.1]:10024")
            await house.until(lambda: len(house.statuses()) == 2)
            assert [(e.service, e.dsn, e.text) for e in house.seen(Delivered)] == [
                ("error", "4.3.2", "deferred transport"),
                ("error", "4.3.0", "mail transport unavailable"),
            ]

    asyncio.run(scenario())


def test_a_program_error_in_the_scheduler_costs_a_deferral(tmp_path: Path) -> None:
    def say(request: DeliveryRequest) -> Sequence[Report]:
        return [None]  # type: ignore[list-item]

    async def scenario() -> None:
        async with House(tmp_path, say) as house:
            identity = await house.put("b@remote.test")
            await house.until(lambda: house.seen(Note))
            assert await house.queue.live(identity) == 1
            house.agent.say = answer(sent("ok"))
            house.run()
            house.now += 301
            await house.until(lambda: house.seen(Removed))

    asyncio.run(scenario())


def test_mail_to_the_double_bounce_address_is_discarded(tmp_path: Path) -> None:
    async def local(address: str, sender: str) -> Route:
        cls = AddressClass.LOCAL if address.endswith("@here.test") else AddressClass.DEFAULT
        return Route("smtp", address.rpartition("@")[2], address, cls)

    async def scenario() -> None:
        async with House(tmp_path, answer(UNKNOWN)) as house:
            house.scheduler._resolve = local
            await house.put("Double-Bounce@here.test")
            await house.put("double-bounce@there.test")
            await house.put("double-bounce2@here.test")
            await house.until(lambda: len(house.seen(Removed)) == 3)
            assert sorted(house.statuses()) == ["bounced", "bounced", "sent"]
            (told,) = [event for event in house.events if isinstance(event, Delivered) and event.status == "sent"]
            assert (told.service, told.relay, told.dsn) == ("qmgr", "none", "2.0.0")
            assert told.text == "undeliverable postmaster notification discarded"

    asyncio.run(scenario())
