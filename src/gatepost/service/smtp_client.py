"""smtp(8) and lmtp(8) services of master.cf: an agent with the settings of its line. LMTP has each parameter under `lmtp_`."""

import random
from typing import TYPE_CHECKING

from msgspec.structs import fields

from gatepost.config.master import ServiceEntry
from gatepost.deliver.port import Agent
from gatepost.deliver.smtp import SmtpAgent
from gatepost.deliver.smtp_settings import SmtpSettings, lmtp_name
from gatepost.net.connect import SocketConnector

if TYPE_CHECKING:
    from gatepost.service.house import House


def smtp_agent(house: "House", entry: ServiceEntry) -> Agent:
    """The agent of an smtp or lmtp service."""
    configuration, lmtp = house.configuration, entry.command == "lmtp"
    settings: dict[str, object] = {"lmtp": lmtp}
    for field in fields(SmtpSettings):
        row = configuration.parameters.get(lmtp_name(field.name) if lmtp else field.name)
        if row is not None:
            settings[field.name] = configuration.typed(row, entry.overrides)

    def address(name: str) -> str:
        return configuration.value(f"{entry.command}_{name}", entry.overrides)

    return SmtpAgent(
        SmtpSettings(**settings),  # type: ignore[arg-type]
        house.resolver,
        SocketConnector(address("bind_address"), address("bind_address6")),
        clock=house.clock,
        shuffle=random.shuffle,
        emit=house.emitter(entry),
        service=entry.command,
        own=house.own_addresses,
        base=str(house.queue_directory),
    )
