"""local(8) services of master.cf: an agent with the settings of its line, and the rights of default_privs."""

import os

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.deliver import local_settings
from gatepost.deliver.local import LocalAgent
from gatepost.deliver.local_names import Rights
from gatepost.lookup.accounts import Accounts
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import elements
from gatepost.mail.delivery import Agent
from gatepost.service.materials import Materials
from gatepost.service.ways import WayOut


async def local_agent(materials: Materials, way_out: WayOut, entry: ServiceEntry) -> Agent:
    """The agent of a local service. Raises LookupError where default_privs names no user, or root, or
    cannot be looked up now."""
    settings = materials.configuration.view(local_settings.LocalSettings, entry.overrides)
    emit = materials.emitter(entry)
    surroundings = local_settings.House(
        tables=materials.tables("local", emit, entry.overrides),
        agent=materials.agent,
        resolve=materials.routing.resolve,
        rewrite=materials.routing.rewrite,
        submit=way_out.forward,
        agents=way_out.agent,
        program=way_out.program,
        environment=exported_environment(materials.configuration, entry),
        files=materials.files,
        clock=materials.clock,
        emit=emit,
    )
    return LocalAgent(settings, surroundings, await _default_rights(settings.default_privs, materials.opened.accounts))


async def _default_rights(name: str, accounts: Accounts) -> Rights:
    try:
        user = await accounts.user_named(name)
    except LookupFailure as failure:
        raise LookupError(f"default_privs = {name}: {failure.why}") from None
    if user is None or user.uid == 0:
        raise LookupError(f"default_privs = {name}: name a user other than root")
    return Rights(user.uid, user.gid)


def exported_environment(configuration: Configuration, entry: ServiceEntry) -> dict[str, str]:
    """The variables of export_environment, with the values that import_environment gives them or that we have ourselves."""
    own = {**os.environ, "MAIL_CONFIG": str(configuration.directory)}
    for word in elements(configuration.value("import_environment", entry.overrides)):
        name, equals, value = word.partition("=")
        if equals:
            own[name] = value
    exported = {}
    for word in elements(configuration.value("export_environment", entry.overrides)):
        name, equals, value = word.partition("=")
        if equals or name in own:
            exported[name] = value if equals else own[name]
    return exported
