"""Settings as they are where next to nothing is configured: the defaults of the parameter table, on a machine of known name.

settings = default(SmtpdSettings, smtpd_helo_required=True)
"""

from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gatepost.config.computed import Host
from gatepost.config.configuration import Configuration
from gatepost.config.master import MasterFile
from gatepost.config.parameters import PARAMETERS
from gatepost.config.syntax import MainFile
from gatepost.queue.settings import TransportLimits
from gatepost.service import transports

View = TypeVar("View", bound=Struct)

HOST = Host(hostname=lambda: "mail.example.test", interfaces=tuple)
CONFIGURATION = Configuration(Path("/etc/postfix"), MainFile({}), MasterFile(()), PARAMETERS, HOST).with_settings(
    {"compatibility_level": "3.6"}
)
"""What `default` reads; a configuration for whoever needs more of it."""


def default(cls: type[View], **changes: object) -> View:
    """The view that `cls` is of the defaults, but for `changes`. Texts count as set in main.cf: what refers to them follows."""
    texts = {name: value for name, value in changes.items() if isinstance(value, str)}
    others = {name: value for name, value in changes.items() if name not in texts}
    return replace(CONFIGURATION.with_settings(texts).view(cls), **others)


def transport_limits(**changes: object) -> TransportLimits:
    """The limits of a transport about which nothing is said."""
    return replace(transports.transport_limits(CONFIGURATION, "smtp", 100), **changes)
