"""local(8): mailboxes of the system's users, aliases, .forward files, commands. One recipient at a time, each to its end."""

import asyncio
from collections.abc import Sequence

from gatepost.deliver.local_delivery import LocalDelivery, Position, delivered_to, quiet
from gatepost.deliver.local_expansion import LocalExpansion
from gatepost.deliver.local_mailbox import LocalMailbox
from gatepost.deliver.local_names import Rights
from gatepost.deliver.local_settings import House, LocalSettings
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.queued import QueuedRecipient


class LocalAgent:
    """The agent of a service whose program is `local`. `default`: the rights of default_privs, never those of root."""

    def __init__(self, settings: LocalSettings, house: House, default: Rights) -> None:
        self._house = house
        self._expansion = LocalExpansion(settings, house, LocalMailbox(settings, house, default))

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        loops = delivered_to(request.message.content)
        if len(request.recipients) == 1:
            return [await self._one(request, request.recipients[0], loops)]
        return await asyncio.gather(*(self._one(request, queued, loops) for queued in request.recipients))

    async def close(self) -> None:
        await self._house.agent.close()

    async def _one(self, request: DeliveryRequest, queued: QueuedRecipient, loops: set[str]) -> Report:
        delivery = LocalDelivery(request, queued, loops, self._house.clock())
        start = Position(queued.recipient, request.message.envelope.sender)
        if await self._expansion.recipient(delivery, start):
            for outcome in await delivery.forwards.send(request, self._house.submit):
                delivery.report(quiet(start), outcome, relayed=True)
        return delivery.result()
