"""What the agent may be asked for: an allow-list out of the configuration (docs/decisions/0004).

Whoever has taken a worker over can ask the agent for anything. It does what local(8), virtual(8) and pipe(8) of this configuration
might have to do, as it finds that out itself, and no request is believed: local_grants.py for local(8), virtual_grants.py,
pipe_grants.py; pam_grants.py for log-ins. It reads tables of passwords, for workers that have had them since their start.
"""

import os

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.deliver.local_names import user_named
from gatepost.deliver.privileged import Answer, ReadFile, ReadTable, RunCommand, WriteMaildir, WriteMbox
from gatepost.deliver.safe_path import first_not_of_root
from gatepost.service.agent.files import read_file
from gatepost.service.agent.granted_lists import Lists
from gatepost.service.agent.granted_tables import TableFiles
from gatepost.service.agent.local_grants import LocalGrant, local_grants
from gatepost.service.agent.pam_grants import PamGrant, pam_grant
from gatepost.service.agent.pipe_grants import PipeGrant, pipe_grants
from gatepost.service.agent.virtual_grants import VirtualGrant, virtual_grants
from gatepost.service.password_tables import password_files
from gatepost.service.transports import delivering


class _Settings(Struct, frozen=True):
    """Parameters of the agent itself."""

    mail_owner: str
    command_no_new_privileges: bool


class Grants(Struct, frozen=True):
    """What each service may have done. `no_new_privileges`: no command gains any (command_no_new_privileges); `tables`: files of
    smtp_sasl_password_maps."""

    local: tuple[LocalGrant, ...]
    virtual: tuple[VirtualGrant, ...]
    pipe: tuple[PipeGrant, ...]
    no_new_privileges: bool = False
    pam: PamGrant = PamGrant()
    tables: frozenset[str] = frozenset()

    def allow(self, request: WriteMaildir | WriteMbox | RunCommand) -> bool:
        """Whether the request is one that a worker in its senses may make."""
        if isinstance(request, RunCommand):
            return any(grant.allow(request) for grant in self.pipe) or any(grant.allow_command(request) for grant in self.local)
        # In the order of what it costs: local mailboxes are looked for in lists.
        return any(grant.allow(request) for grant in self.virtual) or any(grant.allow_mailbox(request) for grant in self.local)

    def read_table(self, request: ReadTable) -> Answer | None:
        """What the file holds; None where it is none of the tables, or somebody else than root decides which file it is."""
        if request.path not in self.tables or first_not_of_root(request.path) is not None:
            return None
        return read_file(request.path)

    def read(self, request: ReadFile) -> Answer | None:
        """What the file holds, read with the rights that are due; None where it is none that local(8) has a use for."""
        return next((answer for grant in self.local if (answer := grant.read(request)) is not None), None)


def grants_of(configuration: Configuration) -> Grants:
    """The allow-list of a configuration."""
    tables, services = TableFiles(), delivering(configuration).values()
    settings = configuration.view(_Settings)
    owner = user_named(settings.mail_owner)
    lists = Lists(tables, (owner.uid, owner.gid) if owner else (os.getuid(), os.getgid()))
    return Grants(
        tuple(grant for entry in services for grant in local_grants(configuration, entry, tables, lists)),
        tuple(grant for entry in services for grant in virtual_grants(configuration, entry, tables)),
        tuple(grant for entry in services for grant in pipe_grants(configuration, entry)),
        settings.command_no_new_privileges,
        pam_grant(configuration),
        frozenset(password_files(configuration)),
    )
