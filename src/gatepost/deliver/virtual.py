"""virtual(8): mailboxes of virtual_mailbox_domains, found in tables, written by the agent process as their owner.

A result that ends in `/` is a Maildir, any other an mbox; both live below virtual_mailbox_base. Owners below virtual_minimum_uid
are refused, and so is every path that would leave the base.
"""

import asyncio
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gatepost.deliver.local_form import delivery_headers, maildir_form, mbox_form
from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.deliver.maildir_batches import SMALL, MaildirBatches
from gatepost.deliver.privileged import AgentClient, Answer, Failed, WriteMaildir, WriteMbox, outcome_of
from gatepost.events.records import Clock, Emit, Note
from gatepost.lookup.address import Keys, Match, find_address
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps, Tables
from gatepost.mail.address import external
from gatepost.mail.ascii_text import elements, is_number
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.outcome import Outcome, bounced, deferred, sent
from gatepost.mail.queued import QueuedRecipient
from gatepost.mail.reason import Reason, because, shown


class VirtualSettings(Struct, frozen=True):
    """Parameters of virtual(8)."""

    virtual_mailbox_base: str
    virtual_mailbox_maps: str
    virtual_uid_maps: str
    virtual_gid_maps: str
    virtual_minimum_uid: int
    virtual_mailbox_limit: int
    virtual_mailbox_lock: str
    strict_mailbox_ownership: bool
    recipient_delimiter: str
    deliver_lock_attempts: int
    deliver_lock_delay: int
    stale_lock_time: int


def lock_rules(settings: VirtualSettings) -> LockRules:
    """How an mbox is locked."""
    return LockRules(
        tuple(elements(settings.virtual_mailbox_lock)),
        settings.deliver_lock_attempts,
        settings.deliver_lock_delay,
        settings.stale_lock_time,
    )


class VirtualAgent:
    """The agent of a service whose program is `virtual`."""

    def __init__(self, settings: VirtualSettings, tables: Tables, agent: AgentClient, clock: Clock, emit: Emit) -> None:
        self._settings = settings
        # A sender must not choose mailboxes by what `$1` makes of an address (virtual(8)).
        tables = tables.for_rights()
        self._mailboxes = tables.maps(settings.virtual_mailbox_maps, "virtual_mailbox_maps")
        self._uids = tables.maps(settings.virtual_uid_maps, "virtual_uid_maps")
        self._gids = tables.maps(settings.virtual_gid_maps, "virtual_gid_maps")
        self._locks = lock_rules(settings)
        self._agent = agent
        self._letters = MaildirBatches(agent)
        self._clock = clock
        self._emit = emit

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        if len(request.recipients) == 1:
            return [await self._one(request, request.recipients[0])]
        return await asyncio.gather(*(self._one(request, recipient) for recipient in request.recipients))

    async def close(self) -> None:
        await self._agent.close()

    async def _one(self, request: DeliveryRequest, recipient: QueuedRecipient) -> Report:
        started = self._clock()
        try:
            outcome = await self._attempt(request, recipient)
        except LookupFailure as failure:
            self._emit(Note("virtual", f"table {failure.table}: {failure.why}", "warning", str(request.message.id)))
            outcome = deferred("mail system configuration error", "4.3.5", failure.because(key=recipient.recipient.address))
        return Report(recipient, outcome, "virtual", started, started)

    async def _attempt(self, request: DeliveryRequest, recipient: QueuedRecipient) -> Outcome:
        address = recipient.recipient.address
        match = await self._find(self._mailboxes, address)
        if match is None:
            why = because("virtual_mailbox_maps", self._settings.virtual_mailbox_maps, address, "not listed")
            return bounced(f'unknown user: "{external(address)}"', "5.1.1", why)
        name, why = match.value, because("virtual_mailbox_maps", match.table, match.key, line=match.line)
        if not self._settings.virtual_mailbox_base:
            return self._refuse(
                "virtual_mailbox_base is empty: name the directory below which mailboxes lie",
                because("virtual_mailbox_base", key=address),
            )
        if ".." in name.split("/"):
            return self._refuse(f"mailbox {name!r} of {address} leaves virtual_mailbox_base: no `..` in virtual_mailbox_maps", why)
        owner = await self._owner(address)
        if isinstance(owner, Outcome):
            return owner
        path = f"{self._settings.virtual_mailbox_base}/{name}"
        settings = self._settings
        box = Mailbox(path, *owner, settings.virtual_mailbox_limit, settings.strict_mailbox_ownership, unopened="4.2.0")
        outcome = await self._write(request, recipient, box)
        return outcome if outcome.ok else replace(outcome, why=replace(why, reason=shown(outcome.text)))

    async def _write(self, request: DeliveryRequest, recipient: QueuedRecipient, box: Mailbox) -> Outcome:
        message, is_maildir = request.message, box.path.endswith("/")
        kind = "maildir" if is_maildir else "mailbox"
        if request.probe:
            return sent(f"delivers to {kind}")
        original = recipient.recipient.original or recipient.recipient.address
        headers = delivery_headers(message.envelope.sender, original, recipient.recipient.address)
        if is_maildir:
            answer = await self._to_maildir(box, message.content.size, maildir_form(headers, message.content))
        else:
            body = mbox_form(message.envelope.sender, headers, message.content, self._clock())
            answer = await self._agent.ask(WriteMbox(box, self._locks), body)
        if isinstance(answer, Failed):
            prefix = "maildir delivery failed: " if is_maildir else f"delivery failed to mailbox {box.path}: "
            return outcome_of(answer, prefix)
        return sent(f"delivered to {kind}")

    async def _to_maildir(self, box: Mailbox, size: int, body: Iterable[bytes]) -> Answer:
        if size > SMALL:
            return await self._agent.ask(WriteMaildir(box), body)
        return await self._letters.deliver(box, b"".join(body))

    async def _find(self, maps: Maps, address: str) -> Match | None:
        keys = Keys.FULL | Keys.NO_EXTENSION | Keys.AT_DOMAIN
        return await find_address(maps, address, keys, delimiters=self._settings.recipient_delimiter)

    async def _owner(self, address: str) -> tuple[int, int] | Outcome:
        """(uid, gid) of a mailbox, or why there is none: then the message waits until the tables are right."""
        found = []
        settings = self._settings
        for maps, configured, kind, least in (
            (self._uids, settings.virtual_uid_maps, "uid", settings.virtual_minimum_uid),
            (self._gids, settings.virtual_gid_maps, "gid", 0),
        ):
            match = await self._find(maps, address)
            if match is None:
                return self._refuse(f"recipient {address}: not found in {maps.title}", because(maps.title, configured, address))
            if not is_number(match.value) or int(match.value) < least:
                why = because(maps.title, match.table, match.key, line=match.line)
                return self._refuse(f"recipient {address}: bad {kind} {match.value} in {maps.title}", why)
            found.append(int(match.value))
        return found[0], found[1]

    def _refuse(self, text: str, why: Reason) -> Outcome:
        """The mail waits until the tables are right."""
        self._emit(Note("virtual", text, "warning"))
        return deferred("mail system configuration error", "4.3.5", replace(why, reason=shown(text)))
