"""What `gatepost check` finds in virus scanning: sockets that are none, ClamAV's own files, and signatures that are old."""

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.filter.antivirus.clamav_files import STREAM_MAX_LENGTH, is_set, newest, octets, parse
from gatepost.filter.antivirus.settings import VirusSettings, servers
from gatepost.service.antivirus.daemons import DaemonFault, SuperviseSettings, daemon

_FOLDER = "/var/lib/clamav"
_DAY = 86400


class AgeSettings(Struct, frozen=True):
    """Seconds, and octets of a message."""

    filter_virus_database_age: int
    filter_clamd_config_file: str
    filter_time_limit: int
    filter_virus_time_limit: int
    message_size_limit: int


def check_antivirus(configuration: Configuration) -> Iterator[Fault]:
    """Of main.cf. The files of clamd are looked at where it runs on this machine."""
    try:
        settings = configuration.view(VirusSettings)
        supervise = configuration.view(SuperviseSettings)
        ages = configuration.view(AgeSettings)
    except ConfigurationError:
        return  # told elsewhere
    try:
        named = servers(settings)
    except ValueError as error:
        yield configuration.fault(
            "filter_virus_scanner", f"filter_virus_scanner: no socket: {error}", "write unix:PATH or inet:HOST:PORT"
        )
        return
    if named and ages.filter_virus_time_limit >= ages.filter_time_limit:
        text = (
            f"filter_virus_time_limit is {ages.filter_virus_time_limit} s: filter_time_limit is over before, and its action taken"
        )
        yield configuration.fault("filter_virus_time_limit", text, f"write less than {ages.filter_time_limit} s")
    for name in supervise.filter_supervise:
        try:
            daemon(name, supervise)
        except DaemonFault as error:
            yield configuration.fault("filter_supervise", f"filter_supervise: {name} cannot be started: {error}", "correct it")
    if supervise.filter_supervise or any(server.path for server in named):
        yield from _of_clamd(configuration, ages)


def _of_clamd(configuration: Configuration, ages: AgeSettings) -> Iterator[Fault]:
    file = ages.filter_clamd_config_file
    try:
        options = parse(Path(file).read_text("utf-8", "surrogateescape"))
        made = newest(Path(options.get("databasedirectory", _FOLDER)))
    except OSError as error:
        yield configuration.fault(
            "filter_clamd_config_file", f"filter_clamd_config_file: {error.filename}: {error.strerror}", "name clamd's clamd.conf"
        )
        return
    limit = octets(options.get("streammaxlength", str(STREAM_MAX_LENGTH)))
    if limit and (not ages.message_size_limit or limit < ages.message_size_limit):
        yield Fault(
            file, 0, f"StreamMaxLength {limit}: larger messages are taken (message_size_limit = {ages.message_size_limit}), and"
            " are not scanned", "raise it; filter_virus_too_large says what becomes of them",
        )  # fmt: skip
    if not is_set(options, "AlertExceedsMax"):
        yield Fault(
            file, 0, "AlertExceedsMax is off: clamd calls clean what it has not looked at because of its limits",
            "write `AlertExceedsMax yes`; filter_virus_too_large says what becomes of such mail then",
        )  # fmt: skip
    if made is None:
        yield Fault(file, 0, "there are no virus signatures", "run freshclam")
    elif (days := (time.time() - made) / _DAY) > ages.filter_virus_database_age / _DAY:
        yield Fault(file, 0, f"the virus signatures are {days:.0f} days old", "see why freshclam does not fetch new ones")
