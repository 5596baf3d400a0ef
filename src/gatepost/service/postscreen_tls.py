"""TLS of postscreen lines: smtpd's, but for the level, which is their own (postscreen_tls_security_level)."""

from collections.abc import Mapping

from gatepost.config.configuration import Configuration
from gatepost.config.master import Overrides, ServiceEntry

_OWN = {
    "smtpd_tls_security_level": "postscreen_tls_security_level",
    "smtpd_use_tls": "postscreen_use_tls",
    "smtpd_enforce_tls": "postscreen_enforce_tls",
}


def tls_overrides(configuration: Configuration, entry: ServiceEntry) -> Mapping[str, str]:
    """The overrides of a line with which its TLS is set up."""
    given = entry.overrides
    if entry.program != "postscreen":
        return given
    own = Overrides({**given, "smtpd_tls_wrappermode": "no"})
    own.file, own.line = entry.file, entry.line
    own.update({name: configuration.value(source, given) for name, source in _OWN.items()})
    return own
