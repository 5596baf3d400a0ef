"""What virtual(8) may have written: mailboxes below virtual_mailbox_base, of users and groups that virtual_uid_maps and
virtual_gid_maps name. Where a table is none that the agent can read, the group must be one that is worth nothing else."""

import grp
from collections.abc import Iterator

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.deliver.local_names import user_with_id
from gatepost.deliver.privileged import WriteMaildir, WriteMbox
from gatepost.deliver.virtual import VirtualSettings, lock_rules
from gatepost.service.agent.granted_tables import TableFiles


class VirtualGrant(Struct, frozen=True):
    """What one service whose program is virtual may ask for."""

    settings: VirtualSettings
    tables: TableFiles

    def allow(self, request: WriteMaildir | WriteMbox) -> bool:
        """Whether it is a mailbox below the base, with ids that mailboxes have."""
        box, settings = request.box, self.settings
        if isinstance(request, WriteMbox) and (request.listed or request.locks != lock_rules(settings)):
            return False
        return (
            box.path.startswith(f"{settings.virtual_mailbox_base}/")
            and ".." not in box.path.split("/")
            and isinstance(request, WriteMaildir) == box.path.endswith("/")
            and not box.privileged
            and box.limit == settings.virtual_mailbox_limit
            and (box.strict_ownership or not settings.strict_mailbox_ownership)
            and box.uid >= settings.virtual_minimum_uid
            and self._has(settings.virtual_uid_maps, box.uid) is not False
            and (self._has(settings.virtual_gid_maps, box.gid) or self._is_plain_group(box.uid, box.gid))
        )

    def _has(self, maps: str, number: int) -> bool | None:
        """Whether tables hold that number; None where they cannot be known."""
        values = self.tables.values(maps)
        return None if values is None else str(number) in values

    def _is_plain_group(self, uid: int, gid: int) -> bool:
        """Whether a group of unknown tables gives no more than mailboxes: the account's own, or one that the system has no use
        for."""
        if self._has(self.settings.virtual_gid_maps, gid) is not None:
            return False
        user = user_with_id(uid)
        if user is not None and user.gid == gid:
            return True
        if gid < max(self.settings.virtual_minimum_uid, 1):
            return False
        try:
            grp.getgrgid(gid)
        except KeyError:
            return True
        return False


def virtual_grants(configuration: Configuration, entry: ServiceEntry, tables: TableFiles) -> Iterator[VirtualGrant]:
    """The grant of a virtual service; none without mailboxes, or where nothing says below what they lie."""
    if entry.program != "virtual":
        return
    settings = configuration.view(VirtualSettings, entry.overrides)
    if settings.virtual_mailbox_maps and settings.virtual_mailbox_base:
        yield VirtualGrant(settings, tables)
