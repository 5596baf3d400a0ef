"""What one smtp or lmtp service makes of a message for its next hops: addresses as the outside knows them, and the content in
the form that a server takes.

Contract: the content is asked for once a server waits for it, so that a message that nobody takes costs nothing; a form is made
once a message (`content/forms.py`), whatever connections it then goes over.
Failure: LookupFailure where a table cannot answer, OSError where a content cannot be read or put aside.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from gatepost.content import generic
from gatepost.content.downgrade import seven_bit
from gatepost.content.forms import Forms
from gatepost.mail.content import Content
from gatepost.mail.delivery import DeliveryRequest
from gatepost.mail.mime import Limits
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.routing.aliases import AddressMap

Transform = Callable[[Content, str], Awaitable[Content]]
"""What becomes of a content; with the queue id, for the log."""


class Outgoing:
    """`generic_map`: smtp_generic_maps, over envelope and headers; `checks`: smtp_header_checks and its kin, which come first;
    `limits`: how far the MIME structure is followed; `staging`: a path in the folder where long contents are put aside."""

    def __init__(
        self,
        *,
        staging: Callable[[], Path],
        limits: Limits | None = None,
        checks: Transform | None = None,
        generic_map: AddressMap | None = None,
    ) -> None:
        self._generic = generic_map
        self._limits = limits or Limits()
        self._staging = staging
        self._forms = Forms()
        self._transforms: Sequence[Transform] = [one for one in (checks, generic_map and self._with_generic_headers) if one]

    @property
    def addresses(self) -> bool:
        """Whether addresses change at all."""
        return self._generic is not None

    async def addressed(self, request: DeliveryRequest) -> DeliveryRequest:
        """The request with the addresses of its envelope replaced; the same recipients in the same order."""
        if self._generic is None:
            return request
        message = request.message
        envelope = replace(message.envelope, sender=await generic.address(self._generic, message.envelope.sender))
        recipients = tuple([await _addressed(self._generic, queued) for queued in request.recipients])
        return replace(request, message=replace(message, envelope=envelope), recipients=recipients)

    def changes(self, *, to_seven_bit: bool) -> bool:
        """Whether the content of messages changes at all. `to_seven_bit`: the server takes nothing else."""
        return to_seven_bit or bool(self._transforms)

    async def content(self, message: ActiveMessage, *, to_seven_bit: bool) -> Content:
        """The content as it goes out."""
        content = message.content
        if self._transforms:
            content = await self._forms.of(content, "transformed", partial(self._transformed, message))
        if to_seven_bit:
            content = await self._forms.of(content, "7bit", partial(seven_bit, content, self._limits, self._staging))
        return content

    async def _transformed(self, message: ActiveMessage) -> Content:
        content, queue_id = message.content, str(message.id)
        for transform in self._transforms:
            content = await transform(content, queue_id)
        return content

    async def _with_generic_headers(self, content: Content, _: str) -> Content:
        assert self._generic is not None
        return await generic.content(self._generic, content, self._staging)


async def _addressed(table: AddressMap, queued: QueuedRecipient) -> QueuedRecipient:
    address = await generic.address(table, queued.recipient.address)
    return replace(queued, recipient=replace(queued.recipient, address=address))
