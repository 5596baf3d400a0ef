"""A scheduler over a real store, with an agent that does as it is told and a clock that is moved by hand."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gatepost.events.records import Delivered, Event
from gatepost.mail.content import MemoryContent
from gatepost.mail.delivery import DeliveryRequest, Reached, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage
from gatepost.queue.partitions import Partitions
from gatepost.queue.port import Failure, NewMessage
from gatepost.queue.scheduler import Scheduler
from gatepost.queue.settings import QueueSettings
from gatepost.routing.port import AddressClass, Route
from tests.support.settings import default, transport_limits

Answer = Callable[[DeliveryRequest], Sequence[Report]]
REFUSED = Outcome(Class.TEMPORARY, "4.4.1", "connect to mx.test[192.0.2.1]:25: Connection refused")
UNKNOWN = Outcome(Class.PERMANENT, "5.1.1", "host mx.test said: 550 5.1.1 no such user", code=550)
GREYLISTED = Outcome(Class.TEMPORARY, "4.7.1", "host mx.test said: 450 4.7.1 later", code=450)


def answer(outcome: Outcome, relay: str = "mx.test[192.0.2.1]:25", reached: Reached = Reached.YES) -> Answer:
    return lambda request: [Report(recipient, outcome, relay, reached=reached) for recipient in request.recipients]


_ROUNDS = 10
"""Questions that one pass of the scheduler asks of the store, one after the other, at most."""

UNREACHABLE = answer(REFUSED, "none", Reached.NO)


class Agent:
    def __init__(self, say: Answer) -> None:
        self.say = say
        self.requests: list[DeliveryRequest] = []
        self.running = self.most = 0
        self.gate: asyncio.Event | None = None

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        self.requests.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        if self.gate is not None:
            await self.gate.wait()
        self.running -= 1
        return self.say(request)

    async def close(self) -> None: ...


class Notices:
    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        self.actions: list[str] = []
        self.outcomes: list[Outcome] = []
        self.broken = False
        self.fault: Exception | None = None

    async def _take(self, kind: str, failures: Sequence[Failure]) -> None:
        if self.broken:
            raise OSError("no")
        if self.fault is not None:
            raise self.fault
        self.sent.append((kind, [f.recipient.recipient.address for f in failures]))
        self.outcomes = [f.outcome for f in failures]

    async def bounced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        await self._take("bounced", failures)

    async def delayed(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        await self._take("delayed", failures)

    async def succeeded(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        await self._take("succeeded", failures)

    async def traced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None:
        self.actions = [failure.action for failure in failures]
        await self._take("traced", failures)


async def by_domain(address: str, sender: str) -> Route:
    return Route("smtp", address.rpartition("@")[2], address, AddressClass.DEFAULT)


class House:
    """A scheduler with its store, an agent, and a clock that is moved by hand."""

    def __init__(self, directory: Path, say: Answer, **settings: Any) -> None:
        self.now = 1_800_000_000.0
        self.events: list[Event] = []
        self.emit: Callable[[Event], None] = self.events.append
        self.agent = Agent(say)
        self.agents = {"smtp": self.agent}
        self.notices = Notices()
        limits = settings.pop("limits", transport_limits())
        self.queue = Partitions(
            directory, emit=self.events.append, on_change=lambda: self.scheduler.changed(), clock=lambda: self.now
        )
        self.scheduler = Scheduler(
            self.queue, resolve=by_domain, agents=self._agent, limits=lambda name: limits,
            notifier=self.notices, settings=default(QueueSettings, **settings), emit=self._tell, clock=lambda: self.now,
        )  # fmt: skip
        self.runner: asyncio.Task[None] | None = None

    async def _agent(self, transport: str) -> Agent:
        return self.agents[transport]

    def _tell(self, event: Event) -> None:
        self.emit(event)

    async def __aenter__(self) -> "House":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.runner is not None:
            self.runner.cancel()
        await self.scheduler.stop(0)
        self.queue.close()

    async def put(self, *addresses: str, sender: str = "a@client.test", **more: Any) -> QueueId:
        notify = more.pop("notify", 0)
        envelope = Envelope(sender, tuple(Recipient(a, a, notify=notify) for a in addresses), **more)
        message = NewMessage(self.queue.new_id(), envelope, MemoryContent(b"x\r\n"), 2)
        await self.queue.put(message)
        self.scheduler.accept(message)
        return message.id

    def run(self) -> None:
        self.runner = asyncio.create_task(self.scheduler.run())

    def seen(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    def statuses(self) -> list[str]:
        return [event.status for event in self.seen(Delivered)]

    async def idle(self) -> None:
        """The scheduler has done all that it can do now: it has had its turns, and its questions to the store stand before ours."""
        for _ in range(_ROUNDS):
            self.scheduler.wake()
            await asyncio.sleep(0)
            await self.queue.live(self.queue.new_id())

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.scheduler.wake()
                await asyncio.sleep(0.005)
