"""TLS of postscreen lines: as smtpd's is set up, by parameters of their own (postscreen_tls_*)."""

from collections.abc import Mapping
from typing import Final

from gatepost.config.configuration import Configuration
from gatepost.config.master import Overrides, ServiceEntry
from gatepost.config.parameters import PARAMETERS
from gatepost.net.tls import TlsServerSettings

_NAMES = [name.removeprefix("smtpd_tls_") for name in TlsServerSettings.__struct_fields__ if name.startswith("smtpd_tls_")]

OWN: Final = {
    "smtpd_use_tls": "postscreen_use_tls",
    "smtpd_enforce_tls": "postscreen_enforce_tls",
    **{f"smtpd_tls_{name}": f"postscreen_tls_{name}" for name in _NAMES if f"postscreen_tls_{name}" in PARAMETERS},
}
"""What says of postscreen that which a parameter says of smtpd."""


def tls_overrides(configuration: Configuration, entry: ServiceEntry) -> Mapping[str, str]:
    """The overrides of a line with which its TLS is set up."""
    given = entry.overrides
    if entry.program != "postscreen":
        return given
    own = Overrides({**given, "smtpd_tls_wrappermode": "no"})
    own.file, own.line = entry.file, entry.line
    own.update({name: configuration.value(source, given) for name, source in OWN.items()})
    return own
