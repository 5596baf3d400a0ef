"""What becomes of a message on its way out: smtp_generic_maps over its envelope and headers."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gatepost.content import generic
from gatepost.content.aside import Aside
from gatepost.lookup.registry import Tables
from gatepost.mail.content import Content, FileContent, MemoryContent, SplicedContent
from gatepost.mail.delivery import DeliveryRequest
from gatepost.mail.header_reader import HeaderReader
from gatepost.mail.queued import QueuedRecipient
from gatepost.net.turns import Turns
from gatepost.routing.aliases import AddressMap

if TYPE_CHECKING:
    from gatepost.service.house import House

Rewriter = Callable[[DeliveryRequest], Awaitable[DeliveryRequest]]


def outgoing_rewriter(house: "House", overrides: Mapping[str, str], program: str, tables: Tables) -> Rewriter | None:
    """How an smtp or lmtp service rewrites what it sends; None where nothing is to be rewritten."""
    parameter = f"{program}_generic_maps"
    table = house.routing.generic(house.configuration.value(parameter, overrides), parameter, tables)
    if table is None:
        return None

    async def rewrite(request: DeliveryRequest) -> DeliveryRequest:
        message = request.message
        envelope = replace(message.envelope, sender=await generic.address(table, message.envelope.sender))
        recipients = tuple([await _outside(table, queued) for queued in request.recipients])
        content = await _with_headers(table, message.content, house.partitions.staging)
        return replace(request, message=replace(message, envelope=envelope, content=content), recipients=recipients)

    return rewrite


def in_turn(*rewriters: Rewriter | None) -> Rewriter | None:
    """One that does what these do, one after the other; None where there is nothing to do."""
    wanted = [rewriter for rewriter in rewriters if rewriter is not None]
    if len(wanted) < 2:
        return wanted[0] if wanted else None

    async def rewrite(request: DeliveryRequest) -> DeliveryRequest:
        for one in wanted:
            request = await one(request)
        return request

    return rewrite


async def _outside(table: AddressMap, queued: QueuedRecipient) -> QueuedRecipient:
    address = await generic.address(table, queued.recipient.address)
    return replace(queued, recipient=replace(queued.recipient, address=address))


async def _with_headers(table: AddressMap, content: Content, staging: Callable[[], Path]) -> Content:
    """The content with the addresses of its headers replaced; what follows stays where it is, unless the headers are many."""
    reader = HeaderReader(content.chunks())
    written = Aside(staging)
    turns = Turns()
    for headers in reader:
        for header in headers:
            if turns.over():
                await turns.rest()
            written.write(await generic.header(table, header))
    head = written.content()
    if isinstance(content, FileContent) and isinstance(head, MemoryContent):
        return SplicedContent(head.data, content.after(reader.end))
    for chunk in reader.rest:
        written.write(chunk)
    return written.content()
