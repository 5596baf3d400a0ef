"""The expansion of one local recipient: aliases, :include: lists, .forward files, the mailbox, or nobody (local(8), aliases(5)).

Every method says whether to go on with the rest of a list: False after a deferral, for then the whole recipient is tried again.
"""

import errno
import os
import stat
from collections.abc import Iterator

from msgspec.structs import replace

from gatepost.config.expand import ExpansionError
from gatepost.deliver.listed import ALIAS, FORWARD, INCLUDE, MOST, all_of, included, members, words
from gatepost.deliver.local_delivery import LocalDelivery, Position, quiet, spliced
from gatepost.deliver.local_mailbox import LocalMailbox
from gatepost.deliver.local_names import (
    UNCHOSEN,
    LocalName,
    Rights,
    expand_names,
    local_name,
    rights_of,
    table_owner,
)
from gatepost.deliver.local_settings import House, LocalSettings
from gatepost.deliver.privileged import Answer, Failed, ReadFile, outcome_of
from gatepost.events.notes import AccountUnknown, LocalAliasLoop, PassedOn
from gatepost.events.records import Note
from gatepost.lookup.blocking import Hangs
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.address import external
from gatepost.mail.ascii_text import elements
from gatepost.mail.delivery import DeliveryRequest
from gatepost.mail.envelope import Notify
from gatepost.mail.outcome import Class, Outcome, bounced, deferred, sent
from gatepost.mail.reason import UNSAID, because
from gatepost.net.turns import Turns

DEEPEST = 100
"""Levels of expansion after which an alias must be a loop."""

_MISCONFIGURED = "mail system configuration error"
_TOO_LARGE = os.strerror(errno.EFBIG)
_RESERVED = frozenset(("mailer-daemon", "postmaster"))


class LocalExpansion:
    """Expands recipients and delivers what they come to."""

    def __init__(self, settings: LocalSettings, house: House, mailbox: LocalMailbox) -> None:
        self._settings = settings
        self._house = house
        self._mailbox = mailbox
        # A sender must not choose commands and files by what `$1` makes of an address (local(8)).
        tables = house.tables.for_rights()
        self._aliases = tables.maps(settings.alias_maps, "alias_maps")
        self._transports = {
            name: tables.maps(getattr(settings, name), name) for name in ("mailbox_transport_maps", "fallback_transport_maps")
        }
        self._propagated = frozenset(elements(settings.propagate_unmatched_extensions))

    def _warn(self, text: str) -> None:
        self._house.emit(Note("local", text, "warning"))

    async def recipient(self, delivery: LocalDelivery, at: Position) -> bool:
        """Deliver to `at.recipient`, whose domain is ours."""
        address = at.recipient.address
        if address.lower() in delivery.loops:
            return delivery.report(at.led_by("Delivered-To", key=address), bounced(f"mail forwarding loop for {address}", "5.4.6"))
        settings = self._settings
        name = local_name(address, settings.recipient_delimiter, owner_request_special=settings.owner_request_special)
        if not name.user:
            return delivery.report(at, bounced(f'null username in "{address}"', "5.1.3"))
        delivered = at.delivered if at.delivered and settings.frozen_delivered_to else address
        at = replace(at, name=name, level=at.level + 1, delivered=delivered)
        try:
            return await self._switch(delivery, at)
        except Hangs as hangs:
            self._warn(f"{name.user}: {hangs.why}")
            return delivery.report(at, deferred("file system does not answer", "4.3.0", hangs.because(at.why.rule, name.user)))
        except LookupFailure as failure:
            return delivery.report(
                at, deferred("table lookup failure", "4.3.0", failure.because(failure.parameter or "local", name.user))
            )

    async def _switch(self, delivery: LocalDelivery, at: Position) -> bool:
        """local(8): an alias first, then a .forward file, then the mailbox; where mail has an owner, a message of its own."""
        name = at.name
        tail = name.delimiter + name.extension
        if name.local.startswith("\\"):  # no aliases and no .forward
            at = replace(at, name=replace(name, local=name.local[1:], user=name.user[1:]))
            return await self._user(delivery, at)
        bare = replace(at, unmatched=tail if ALIAS in self._propagated else "")
        for key, position in ((name.local, replace(at, unmatched="")), (name.user, bare))[: 2 if tail else 1]:
            done = await self._alias(delivery, position, key)
            if done is not None:
                return done
        at = replace(at, unmatched=tail)
        if at.listed_by == INCLUDE or (at.owner and at.owner.lower() != name.user):
            return self.indirect(delivery, at)
        done = await self._forward_file(delivery, at)
        return await self._user(delivery, at) if done is None else done

    async def _user(self, delivery: LocalDelivery, at: Position) -> bool:
        """To the mailbox of a user, or where mail for nobody goes."""
        if not delivery.first_time("mailbox", at.name.local):
            return True
        rule, table, transport = await self._transport("mailbox", at.name)
        if transport:
            return await self._pass(delivery, at.led_by(rule, table, at.name.user), transport)
        user = await self._account(at.name.user)
        return await self._unknown(delivery, at) if user is None else await self._mailbox.user(delivery, at, user)

    async def _account(self, who: str | int) -> Rights | None:
        """The user of the system with this name or id. Raises LookupFailure, after a warning."""
        accounts = self._house.tables.accounts
        try:
            user = await (accounts.user_named(who) if isinstance(who, str) else accounts.user_with_id(who))
        except LookupFailure as failure:
            failure.address = str(who)
            self._house.emit(AccountUnknown("local", str(who), failure.why))
            raise
        return rights_of(user) if user else None

    # Aliases

    async def _alias(self, delivery: LocalDelivery, at: Position, key: str) -> bool | None:
        """Deliver to what the alias `key` stands for; None where there is none."""
        if at.level > DEEPEST:
            if not delivery.first_time("loop", key):
                return True
            self._house.emit(LocalAliasLoop("local", key))
            at = at.led_by("alias_maps", self._settings.alias_maps, key)
            return delivery.report(at, bounced(f"alias database loop for {key}", "5.4.6"))
        if at.listed_at.lower() == key:
            return None
        try:
            found = await self._aliases.find_in(key)
        except LookupFailure as failure:
            return delivery.report(at, deferred("alias database unavailable", "4.3.0", failure.because("alias_maps", key)))
        if found is None:
            return None
        text, table = found
        if delivery.only_asked:
            return delivery.report(at, sent(f"aliased to {text}"))
        rights = await self._alias_rights(table)
        if isinstance(rights, Outcome):
            return delivery.report(at.led_by("alias_maps", table, key), rights)
        # Once expanded, an alias comes to nothing new in the same position. Without this, aliases that share members take time
        # that doubles with each level.
        expansion = ("alias", key, replace(at, level=0, why=UNSAID))
        if delivery.was_done(*expansion):
            return True
        at = replace(await self._owned(at, key), listed_by=ALIAS, listed_at=key, rights=rights, forward="")
        at = at.led_by("alias_maps", table, key)
        listed = await all_of(members(text), len(text))
        if listed == []:  # mail for nobody would be lost
            self._warn(f"no recipient in alias lookup result for {key}")
            return delivery.report(at, deferred("alias database unavailable", "4.3.0", replace(at.why, reason="no recipient")))
        done = await self._listed(delivery, quiet(at), listed, f"alias {key}")
        delivery.first_time(*expansion)
        return self._tell_expanded(delivery, at) if done else done

    async def _alias_rights(self, table: str) -> Rights | Outcome:
        """Commands and files of an alias table that a user owns get the rights of that user."""
        owner = await self._house.files.run(("owner", table), lambda: table_owner(table))
        if owner == 0:
            return UNCHOSEN
        user = await self._account(owner)
        if user is None:
            self._warn(f"cannot find alias database owner for {table}")
            return deferred("cannot find alias database owner", "4.3.0")
        return user

    async def _owned(self, at: Position, key: str) -> Position:
        """A list with an `owner-` alias is sent on in the name of its owner."""
        if self._settings.owner_request_special:
            owner = f"owner-{key}"
            members = await self._aliases.find(owner)
            if members is not None:
                expanded = members if self._settings.expand_owner_alias else owner
                address = await self._house.rewrite(expanded)
                # The members of a list are told nothing of whom the sender wrote to, nor the sender of them (RFC 3461 §5.2.7).
                member = replace(at.recipient, original="", orcpt="", notify=0)
                # Mail from nobody stays so: bounces of a bounce would come to the owner, who may be the list (Postfix storms).
                return replace(at, recipient=member, sender=at.sender and address, owner=address)
        return replace(at, owner="") if self._settings.reset_owner_alias else at

    def _tell_expanded(self, delivery: LocalDelivery, at: Position) -> bool:
        if at.recipient.notify & Notify.SUCCESS:
            delivery.expanded(at)
        return True

    # Lists of recipients

    async def _listed(self, delivery: LocalDelivery, at: Position, recipients: list[str] | None, where: str) -> bool:
        """Deliver to each recipient of a list, None where those are too many; the rest waits once one has to."""
        if recipients is None:
            why = replace(at.why, reason=f"more than {MOST} recipients")
            self._warn(f"{where}: {why.reason}")
            return delivery.report(at, deferred(_MISCONFIGURED, "4.3.5", why))
        turns = Turns()
        for word in recipients:
            if turns.over():
                await turns.rest()
            if not await self._member(delivery, at, word):
                return False
        return True

    async def _member(self, delivery: LocalDelivery, at: Position, word: str) -> bool:
        if word.startswith("/"):
            return await self._mailbox.file(delivery, at, word)
        if word.startswith("|"):
            return await self._mailbox.command(delivery, at, word[1:])
        path = included(word)
        if path is not None:
            return await self._include(delivery, at, path)
        if word.startswith("~"):
            return await self._in_home(delivery, at, word)
        return await self._address(delivery, at, word)

    async def _in_home(self, delivery: LocalDelivery, at: Position, word: str) -> bool:
        """`~/file`: a file in the home directory of whose list it is."""
        if not at.rights.home or not word.startswith("~/"):
            why = because(at.why.rule, at.why.table, at.why.key, f"bad home directory syntax for: {word}")
            self._warn(why.reason)
            return delivery.report(at, bounced(_MISCONFIGURED, "5.3.5", why))
        return await self._mailbox.file(delivery, at, at.rights.home + word[1:])

    async def _address(self, delivery: LocalDelivery, at: Position, word: str) -> bool:
        """To an address, local or not."""
        route = await self._house.resolve(await self._house.rewrite(word))
        if route.failure is not None:
            return delivery.report(at, bounced(f"bad recipient address syntax: {word}", "5.1.3", route.why))
        address = spliced(route.recipient, at.unmatched) if at.unmatched else route.recipient
        at = replace(at, recipient=replace(at.recipient, address=address))
        if route.transport == delivery.request.transport:
            return await self.recipient(delivery, at)
        return self.indirect(delivery, at)

    def indirect(self, delivery: LocalDelivery, at: Position) -> bool:
        """By way of a new message."""
        if delivery.first_time("indirect", at.recipient.address.lower()):
            if delivery.request.probe:
                return delivery.report(at, sent(f"forwards to {at.recipient.address}"))
            delivery.forwards.add(at.delivered, at.sender, at.recipient)
        return True

    # :include: lists

    async def _include(self, delivery: LocalDelivery, at: Position, path: str) -> bool:
        if not delivery.first_time("include", at.rights.uid, path):
            return True
        at = at.led_by(":include:", path, at.listed_at)
        if not path.startswith("/"):
            self._warn(f":include:{path} uses a relative path")
            why = replace(at.why, reason="uses a relative path")
            return delivery.report(at, bounced(_MISCONFIGURED, "5.3.5", why))
        file = await self._house.agent.ask(ReadFile(path, at.rights.uid, at.rights.gid, at.forward))
        if isinstance(file, Failed) and file.unseen:
            return delivery.report(at, outcome_of(file))
        complaint = _include_complaint(path, file)
        if complaint or isinstance(file, Failed):
            self._warn(complaint)
            waits = isinstance(file, Failed) and file.text.endswith(_TOO_LARGE)
            why = because(at.why.rule, path, at.why.key, complaint)
            return delivery.report(at, deferred(_MISCONFIGURED, "4.3.5", why) if waits else bounced(_MISCONFIGURED, "5.3.5", why))
        rights: Rights | None = at.rights
        if at.rights.uid == 0 and file.owner != 0:
            # A list that root's alias names, but a user owns, has that user's rights: it must not rule over the default account.
            rights = await self._account(file.owner)
        if rights is None:
            why = replace(at.why, reason="cannot find :include: file owner username")
            self._warn(f"{path}: {why.reason}")
            return delivery.report(at, deferred(_MISCONFIGURED, "4.3.5", why))
        unmatched = at.unmatched if INCLUDE in self._propagated else ""
        owner = at.owner or at.recipient.address
        at = replace(at, rights=rights, listed_by=INCLUDE, listed_at=at.name.local, owner=owner, unmatched=unmatched)
        return await self._listed(delivery, at, await all_of(words(file.data), len(file.data)), path)

    # .forward files

    async def _forward_file(self, delivery: LocalDelivery, at: Position) -> bool | None:
        """Deliver as the first file of forward_path that is there says; None where there is none that counts: then the mailbox has
        its turn. A home may hang, so it is the agent who looks."""
        user = await self._account(at.name.user) if self._settings.forward_path else None
        if user is None:
            return None
        for path, extended in self._forward_paths(delivery.request, at, user):
            if delivery.was_done("forward", path):
                return True if delivery.was_done("forward-done", path) else None
            file = await self._house.agent.ask(ReadFile(path, user.uid, user.gid, path))
            if isinstance(file, Failed) and file.missing:
                continue
            at = at.led_by("forward_path", path, at.name.user)
            if isinstance(file, Failed) and file.unseen:
                return delivery.report(at, outcome_of(file))
            if delivery.only_asked:
                return delivery.report(at, sent(f"forward via file: {path}"))
            propagate = FORWARD in self._propagated and not extended
            forward = replace(
                at,
                rights=user,
                listed_by=FORWARD,
                forward=path,
                listed_at=at.name.local,
                owner=at.name.user,
                unmatched=at.unmatched if propagate else "",
            )
            return await self._follow(delivery, forward, file)
        return None

    async def _follow(self, delivery: LocalDelivery, at: Position, file: Answer) -> bool | None:
        """Deliver to whom a .forward file lists; None where it does not count."""
        path = at.forward
        delivery.first_time("forward", path)
        complaint = _forward_complaint(path, file, at.rights)
        if complaint or isinstance(file, Failed):
            self._warn(complaint)
            return None
        listed = await all_of(words(file.data), len(file.data))
        if listed == []:
            return None
        done = await self._listed(delivery, quiet(at), listed, path)
        delivery.first_time("forward-done", path)
        return self._tell_expanded(delivery, at) if done else done

    def _forward_paths(self, request: DeliveryRequest, at: Position, user: Rights) -> Iterator[tuple[str, bool]]:
        """The files of forward_path, each with whether its name holds the address extension."""
        values = self._mailbox.values(request, at, user)
        for template in elements(self._settings.forward_path):
            try:
                expanded = expand_names(template, values, self._settings.forward_expansion_filter)
            except ExpansionError as error:
                self._warn(f"forward_path: {error}")
                continue
            if not expanded.undefined:
                yield expanded.text, "extension" in expanded.used

    # Other transports, and nobody

    async def _unknown(self, delivery: LocalDelivery, at: Position) -> bool:
        """No such user: fallback_transport, luser_relay, or back to the sender."""
        rule, table, transport = await self._transport("fallback", at.name)
        if transport:
            return await self._pass(delivery, at.led_by(rule, table, at.name.user), transport)
        if self._settings.luser_relay:
            values = self._mailbox.values(delivery.request, at, UNCHOSEN)
            try:
                address = expand_names(self._settings.luser_relay, values, None).text
            except ExpansionError as error:
                self._warn(f"luser_relay: {error}")
                why = because("luser_relay", key=at.name.user, reason=str(error))
                return delivery.report(at, deferred(_MISCONFIGURED, "4.3.5", why))
            at = at.led_by("luser_relay", address, at.name.user)
            return await self._address(delivery, replace(at, unmatched=""), address)
        if at.name.user in _RESERVED:
            self._warn(f"required alias not found: {at.name.user}")
            return delivery.report(at, sent("discarded"))
        at = at.led_by("local", "unix:passwd.byname", at.name.user)
        return delivery.report(at, bounced(f'unknown user: "{at.name.user}"', "5.1.1"))

    async def _transport(self, kind: str, name: LocalName) -> tuple[str, str, str]:
        """(rule, table, transport): mailbox_transport(_maps) or fallback_transport(_maps) for a user, empty for none."""
        maps: Maps = self._transports[f"{kind}_transport_maps"]
        found = None if maps.empty else await maps.find_in(name.user)
        if found:
            return maps.title, found[1], found[0]
        rule = f"{kind}_transport"
        return rule, "", getattr(self._settings, rule)

    async def _pass(self, delivery: LocalDelivery, at: Position, destination: str) -> bool:
        """Have another transport deliver, `transport:nexthop`."""
        transport, _, nexthop = destination.partition(":")
        queue_id = str(delivery.request.message.id)
        self._house.emit(PassedOn("local", external(at.recipient.address), transport, at.why, queue_id=queue_id))
        try:
            agent = await self._house.agents(transport)
        except LookupError:
            self._warn(f"no transport {transport} for {at.recipient.address}")
            return delivery.report(at, deferred("mail transport unavailable", "4.3.0"))
        queued = replace(delivery.queued, recipient=at.recipient)
        request = replace(delivery.request, recipients=(queued,), transport=transport, nexthop=nexthop or at.name.domain)
        reports = await agent.deliver(request)
        delivery.parts.extend(replace(report, service=self._house.program(transport)) for report in reports)
        return all(report.outcome.cls is not Class.TEMPORARY for report in reports)


def _include_complaint(path: str, file: Answer) -> str:
    """What is wrong with an :include: file, empty for nothing."""
    if isinstance(file, Failed):
        return f"unable to lookup :include: file {path}: {file.text.rpartition(': ')[2]}"
    if not stat.S_ISREG(file.mode):
        return f":include: file {path} is not a regular file"
    if file.mode & stat.S_IWOTH:
        return f":include: file {path} is world writable"
    return ""


def _forward_complaint(path: str, file: Answer, user: Rights) -> str:
    """Why a .forward file does not count, empty where it does: nobody but its user and root may write it."""
    if isinstance(file, Failed):
        return f"cannot open file {path}: {file.text.rpartition(': ')[2]}"
    if not stat.S_ISREG(file.mode):
        return f"file {path} is not a regular file"
    if file.owner not in (0, user.uid):
        return f"file {path} has bad owner uid {file.owner}"
    if file.mode & stat.S_IWOTH:
        return f"file {path} is world writable"
    return ""
