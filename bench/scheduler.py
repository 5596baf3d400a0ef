"""What the scheduler and the results cost a message: accept, resolve, an agent that says yes at once, settle; no store.

python -m bench.scheduler [MESSAGES]
"""

import asyncio
import sys
import time
from collections.abc import Sequence

from gatepost.events.records import Event
from gatepost.mail.content import MemoryContent
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import sent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage
from gatepost.queue.port import Failure, NewMessage, Settlement
from gatepost.queue.scheduler import ClaimingStore, Scheduler
from gatepost.queue.settings import QueueSettings, TransportLimits
from gatepost.routing.port import AddressClass, Route

ROUTE = Route("smtp", "[192.0.2.1]:25", "someone@remote.test", AddressClass.DEFAULT)
SENT = sent("250 2.0.0 Ok: queued as 12345")
BURST = 50


class NoQueue:
    """A queue that forgets."""

    def __init__(self) -> None:
        self.settled = 0

    def settle(self, settlements: Sequence[Settlement]) -> None:
        self.settled += len(settlements)

    def stores(self) -> Sequence[ClaimingStore]:
        return ()

    def shelve(self, identity: QueueId, site: str = "") -> None: ...

    async def hasten(self) -> None: ...

    async def flushes(self) -> int:
        return 0

    async def live(self, identity: QueueId) -> int:
        return 0

    async def mark(self, identity: QueueId, flag: int) -> None: ...


class Yes:
    """An agent that delivers at once."""

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        await asyncio.sleep(0)
        return [Report(recipient, SENT, "mx.test[192.0.2.1]:25") for recipient in request.recipients]

    async def close(self) -> None: ...


class NoNotices:
    """A notifier that nobody calls."""

    async def bounced(self, message: ActiveMessage, failures: Sequence[Failure]) -> None: ...

    async def delayed(self, message: ActiveMessage, failures: Sequence[Failure]) -> None: ...

    async def succeeded(self, message: ActiveMessage, failures: Sequence[Failure]) -> None: ...


async def resolve(address: str, sender: str) -> Route:
    return ROUTE


def ignore(event: Event) -> None: ...


async def measure(messages: int) -> None:
    agent = Yes()

    async def agent_of(transport: str) -> Yes:
        return agent

    queue, limits = NoQueue(), TransportLimits()
    scheduler = Scheduler(
        queue, resolve=resolve, agents=agent_of, limits=lambda name: limits, notifier=NoNotices(),
        settings=QueueSettings(), emit=ignore, clock=time.time,
    )  # fmt: skip
    envelope = Envelope("a@client.test", (Recipient("someone@remote.test", "someone@remote.test"),))
    content = MemoryContent(b"x" * 5000)
    began = time.process_time()
    key = time.time_ns() // 1000
    target = 0
    for _ in range(messages // BURST):
        for _ in range(BURST):
            key += 1
            scheduler.accept(NewMessage(QueueId(key, 1), envelope, content, 5000))
        target += BURST
        while queue.settled < target:  # noqa: ASYNC110 - nothing to wait for but the next turn of the loop
            await asyncio.sleep(0)
    print(f"{(time.process_time() - began) / messages * 1e6:.1f} µs CPU a message")


def main() -> None:
    import uvloop

    uvloop.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))


if __name__ == "__main__":
    main()
