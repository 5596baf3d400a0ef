"""What cleanup makes of an envelope: addresses in standard form and through the tables, copies, no recipient twice."""

from collections.abc import Callable, Sequence

from msgspec import structs

from gatepost.admission.settings import CleanupSettings
from gatepost.content.checks import LogContext
from gatepost.mail.envelope import Envelope, Notify, Recipient
from gatepost.routing.aliases import Place
from gatepost.routing.routing import Routing


class Expansion:
    """Collects the recipients of one message. `mapping`: whether tables are asked (not with no_address_mappings); `copying`:
    whether the *_bcc parameters count. `final`: who gets the message; `expanded`: those whose sender is to be told that they
    were expanded."""

    def __init__(self, routing: Routing, settings: CleanupSettings, context: LogContext, *, mapping: bool, copying: bool) -> None:
        self.final: list[Recipient] = []
        self.expanded: list[Recipient] = []
        self._routing = routing
        self._settings = settings
        self._context = context
        self._mapping = mapping
        self._copying = copying
        self._seen: set[str] = set()

    async def sender(self, envelope: Envelope) -> str:
        """The sender in final form; its copy (sender_bcc_maps) is added. Raises LookupFailure, AliasLoop."""
        sender = await self.rewritten(envelope.sender) if envelope.sender else ""
        self._context.sender = sender
        if self._copying and sender and (copy := await self._routing.sender_bcc(sender)):
            await self.copy(copy)
        return sender

    async def rewritten(self, sender: str) -> str:
        """A sender in final form. Raises LookupFailure, AliasLoop."""
        return await self._routed(sender, Place.ENVELOPE_SENDER)

    async def add(self, recipient: Recipient) -> None:
        """A recipient as given. Raises LookupFailure, AliasLoop."""
        address = await self._routed(recipient.address or self._settings.empty_address_recipient, Place.ENVELOPE_RECIPIENT)
        original, orcpt = recipient.original or recipient.address, recipient.orcpt or f"rfc822;{address}"
        await self._expand(structs.replace(recipient, address=address, original=original, orcpt=orcpt))
        self._context.recipient = address
        if self._copying and (copy := await self._routing.recipient_bcc(address)):
            await self.copy(copy)

    async def always_bcc(self, asked: list[str]) -> None:
        """The copies that content checks asked for, and that of always_bcc."""
        for address in asked:
            await self.copy(address)
        if self._copying and self._settings.always_bcc:
            await self.copy(self._settings.always_bcc)

    async def copy(self, address: str) -> None:
        """A recipient that the sender knows nothing of, and is never told of."""
        address = await self._routed(address, Place.ENVELOPE_RECIPIENT)
        await self._expand(Recipient(address, address, "", Notify.NEVER))
        if self._context.recipient is None:
            self._context.recipient = address

    def keep(self, recipients: Sequence[Recipient]) -> None:
        """These, and no others; nobody is told that somebody was expanded to recipients of whom none is left."""
        left = {recipient.original for recipient in recipients}
        self.final = list(recipients)
        self.expanded = [recipient for recipient in self.expanded if recipient.original in left]
        self._seen = {self._key(recipient) for recipient in recipients}

    def undo(self) -> Callable[[], None]:
        """How to have it as it is now again."""
        final, expanded, seen, recipient = list(self.final), list(self.expanded), set(self._seen), self._context.recipient

        def restore() -> None:
            self.final, self.expanded, self._seen, self._context.recipient = final, expanded, seen, recipient

        return restore

    async def _routed(self, address: str, place: Place) -> str:
        address = self._routing.rewriter.rewrite(address)
        return await self._routing.mapped(address, place) if self._mapping and self._routing.maps_in(place) else address

    async def _expand(self, recipient: Recipient) -> None:
        if not self._mapping or not self._routing.has_aliases:
            self._once(recipient)
            return
        found = await self._routing.expanded(recipient.address)
        if recipient.notify & Notify.SUCCESS and found != [recipient.address]:
            # RFC 3461 §5.2.7.3: success is told by whoever expands; the expanded ones keep the rest.
            self.expanded.append(recipient)
            recipient = structs.replace(recipient, notify=recipient.notify & ~Notify.SUCCESS or Notify.NEVER)
        for address in found:
            self._once(structs.replace(recipient, address=address))

    def _once(self, recipient: Recipient) -> None:
        key = self._key(recipient)
        if key in self._seen:
            return
        limit = self._settings.duplicate_filter_limit
        if not limit or len(self._seen) < limit:
            self._seen.add(key)
        self.final.append(recipient)

    def _key(self, recipient: Recipient) -> str:
        """What makes two recipients the same."""
        if self._settings.enable_original_recipient:
            return f"{recipient.orcpt}\n{recipient.notify:d}\n{recipient.original}\n{recipient.address}".lower()
        return recipient.address.lower()
