"""What becomes of a message on its way out: smtp_generic_maps over its envelope and headers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gatepost.deliver.port import DeliveryRequest
from gatepost.lookup.registry import Tables
from gatepost.mail.content import CHUNK, Content, FileContent, MemoryContent, SplicedContent
from gatepost.mail.header import split
from gatepost.queue.port import QueuedRecipient
from gatepost.routing import generic
from gatepost.routing.aliases import AddressMap

if TYPE_CHECKING:
    from gatepost.service.house import House

Rewriter = Callable[[DeliveryRequest], Awaitable[DeliveryRequest]]
_LONGEST_HEADERS = 16 * CHUNK


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
        content = await _with_headers(table, message.content)
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


async def _with_headers(table: AddressMap, content: Content) -> Content:
    """The content with the addresses of its headers replaced; headers longer than a megabyte stay as they are."""
    head = content.head(_LONGEST_HEADERS)
    section = split(head)
    if not section.complete and content.size > len(head):
        return content
    headers = [await generic.header(table, header) for header in section.headers]
    rest = head[section.end :]
    if isinstance(content, FileContent) and content.size > len(head):
        return SplicedContent(b"".join(headers), content.after(section.end))
    return MemoryContent(b"".join([*headers, rest]))
