"""What the file of Cyrus SASL asks for, of an smtpd service, and where saslauthd listens."""

from collections.abc import Mapping

from msgspec import Struct

from gatepost.config import cyrus_sasl
from gatepost.config.configuration import Configuration
from gatepost.config.cyrus_sasl import CyrusOptions, Source


class CyrusSettings(Struct, frozen=True):
    """Where the file is."""

    smtpd_sasl_path: str
    cyrus_sasl_config_path: str
    config_directory: str
    mail_owner: str


class NobodyLogsIn(Exception):
    """There are no log-ins; the text says why. `file`, `line`: where it stands, if it is in the file; `remedy`: what to do."""

    def __init__(self, why: str, remedy: str, file: str = "", line: int = 0) -> None:
        super().__init__(why)
        self.remedy, self.file, self.line = remedy, file, line

    @property
    def told(self) -> str:
        """All of it, in a line."""
        where = f"{self.file}, line {self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{where}{self}: {self.remedy}"


class Asked(Struct, frozen=True):
    """Who knows the users, and what the file says more of him."""

    source: Source
    options: CyrusOptions


def options_of(configuration: Configuration, overrides: Mapping[str, str] | None) -> CyrusOptions:
    """What the file of a service says. Raises NobodyLogsIn where there is none that can be read, and ConfigurationError."""
    settings = configuration.view(CyrusSettings, overrides)
    name = settings.smtpd_sasl_path
    try:
        options = cyrus_sasl.options(name, cyrus_sasl.folders(settings.cyrus_sasl_config_path, settings.config_directory))
    except OSError as error:
        raise NobodyLogsIn(f"{error.strerror}", f"make it readable for {settings.mail_owner}", str(error.filename)) from None
    if options is None:
        file = f"{settings.config_directory}/sasl/{name}.conf"
        raise NobodyLogsIn(f"there is no {name}.conf for Cyrus SASL", f"write `pwcheck_method: saslauthd` into {file}")
    return options


def asked_for(configuration: Configuration, overrides: Mapping[str, str] | None) -> Asked:
    """Of a service. Raises NobodyLogsIn, ConfigurationError."""
    options = options_of(configuration, overrides)
    try:
        return Asked(cyrus_sasl.source(options), options)
    except cyrus_sasl.Unsupported as wanted:
        raise NobodyLogsIn(str(wanted), wanted.remedy, wanted.file, wanted.line) from None


_MUX = "saslauthd/mux"


def saslauthd_paths(queue_directory: str, path: str = "") -> tuple[str, ...]:
    """Where saslauthd listens, best first. `path`: where the file says; else below queue_directory (Debian's default/saslauthd), or
    where the system has it."""
    return (path,) if path else (f"{queue_directory}/var/run/{_MUX}", f"/run/{_MUX}")
