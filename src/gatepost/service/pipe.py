"""pipe(8) services of master.cf: their attributes, user and time limit."""

from msgspec import Struct

from gatepost.config.master import ServiceEntry
from gatepost.deliver.pipe import PipeAgent, PipeService
from gatepost.deliver.pipe_arguments import AddressFormat
from gatepost.deliver.pipe_attributes import PipeAttributes, PipeFault, pipe_attributes, working_directory
from gatepost.events.records import Note
from gatepost.lookup.account_database import User
from gatepost.lookup.accounts import Accounts
from gatepost.lookup.port import LookupFailure
from gatepost.mail.delivery import Agent
from gatepost.service.local import exported_environment
from gatepost.service.materials import Materials
from gatepost.service.ways import WayOut


class _Settings(Struct, frozen=True):
    """Parameters that pipe services use."""

    mail_owner: str
    owner_request_special: bool
    queue_directory: str
    recipient_delimiter: str


async def pipe_agent(materials: Materials, way_out: WayOut, entry: ServiceEntry) -> Agent:
    """The agent of a pipe service. Raises PipeFault, after a line in the log, where its master.cf entry cannot work;
    LookupError where its user cannot be looked up now."""
    emit, settings = materials.emitter(entry), materials.configuration.view(_Settings, entry.overrides)
    try:
        attributes = pipe_attributes(entry.arguments)
        uid, gid = await _identity(attributes, settings, materials.opened.accounts)
    except PipeFault as fault:
        emit(Note("pipe", str(fault), "fatal"))
        raise
    except LookupFailure as failure:
        emit(Note("pipe", f"service {entry.name}: {failure}", "warning"))
        raise LookupError(str(failure)) from None
    for letter in attributes.ignored:
        emit(Note("pipe", f"unknown flag: {letter} (ignored)", "warning"))
    delimiters = attributes.recipient_delimiter
    service = PipeService(
        attributes=attributes,
        addresses=AddressFormat(
            attributes.flags, settings.recipient_delimiter if delimiters is None else delimiters, settings.owner_request_special
        ),
        uid=uid,
        gid=gid,
        time_limit=int(materials.configuration.transport(entry.name, "time_limit", entry.overrides)),
        environment=exported_environment(materials.configuration, entry),
        directory=working_directory(attributes, settings.queue_directory),
        file=str(materials.configuration.directory / "master.cf"),
    )
    return PipeAgent(service, materials.agent, materials.clock, emit)


async def _identity(attributes: PipeAttributes, settings: _Settings, accounts: Accounts) -> tuple[int, int]:
    """uid and gid of a service: an existing user, neither root nor the mail system's own. Raises PipeFault, LookupFailure."""
    user = await accounts.user_named(attributes.user)
    if user is None:
        raise PipeFault(f"unknown username: {attributes.user}")
    gid = user.gid
    if attributes.group:
        group = await accounts.group_named(attributes.group)
        if group is None:
            raise PipeFault(f"unknown group: {attributes.group}")
        gid = group.gid
    _check_privileges(user.uid, gid, settings, await accounts.user_named(settings.mail_owner))
    return user.uid, gid


def _check_privileges(uid: int, gid: int, settings: _Settings, owner: User | None) -> None:
    if uid == 0:
        raise PipeFault("user= command-line attribute specifies root privileges")
    if owner and uid == owner.uid:
        raise PipeFault(f"user= command-line attribute specifies mail system owner {settings.mail_owner}")
    if gid == 0:
        raise PipeFault("user= command-line attribute specifies privileged group id 0")
    if owner and gid == owner.gid:
        raise PipeFault(f"user= command-line attribute specifies mail system owner {settings.mail_owner} group id {gid}")
