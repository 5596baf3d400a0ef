"""`gatepost acme`: what became of the certificate that comes by ACME, and another one now."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatepost.cli.command import Command, Fatal, octets, run, wrong_call

if TYPE_CHECKING:
    from gatepost.service.acme.settings import AcmeSettings

_USAGE = """\
usage: gatepost acme [-c config_dir] COMMAND
  status   which certificate there is, when it is renewed, and what went wrong
  renew    have it renewed now, and wait until it is"""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where there is no certificate, or the last attempt failed; 64 for a wrong call."""
    import getopt

    try:
        options, words = getopt.gnu_getopt(octets(argv[1:]), "c:")
    except getopt.GetoptError as error:
        return wrong_call(_USAGE, error.msg)
    bodies = {"status": _status, "renew": _renew}
    if len(words) != 1 or words[0] not in bodies:
        return wrong_call(_USAGE)
    command = Command("gatepost", "acme", dict(options).get("-c"))
    return run(command, lambda: bodies[words[0]](command), failure=1)


def _settings(command: Command) -> "AcmeSettings":
    from gatepost.config.configuration import ConfigurationError
    from gatepost.service.acme.settings import AcmeSettings

    try:
        settings = command.configuration.view(AcmeSettings)
    except ConfigurationError as error:
        raise Fatal(str(error), logged=False) from None
    if not settings.acme_directory_url:
        raise Fatal("acme_directory_url is empty: certificates do not come by ACME", logged=False)
    return settings


def _status(command: Command) -> int:
    from gatepost.acme.certificate import date
    from gatepost.service.acme import folder
    from gatepost.service.master.directories import UnsafeDirectory

    settings = _settings(command)
    try:
        kept = folder.read(settings.queue_directory)
    except FileNotFoundError:
        kept = folder.Kept()
    except (OSError, UnsafeDirectory) as error:
        raise Fatal(
            f"{folder.path(settings.queue_directory).parent}: {error}; ask as who starts the mail system", logged=False
        ) from None
    one, tried = kept.certificate, kept.attempts
    print(f"directory    {settings.acme_directory_url}")
    if one is None:
        print("certificate  none yet")
    else:
        print(f"certificate  {' '.join(sorted(one.domains))}, by {one.issuer}")
        print(f"file         {folder.path(settings.queue_directory)}")
        print(f"valid        until {date(one.ends)}, to be renewed {date(one.renewal())}")
    if tried.failures:
        print(f"failed       {tried.failures} times in a row: {tried.error}")
        print(f"next attempt {date(tried.next)}")
    return 1 if one is None or tried.failures else 0


def _renew(command: Command) -> int:
    from pathlib import Path

    from gatepost.cli.terminal import shown
    from gatepost.service.acme.control import ask_to_renew

    settings = _settings(command)
    try:
        outcome = ask_to_renew(Path(settings.queue_directory))
    except OSError as error:
        raise Fatal(f"{error.strerror or error}: is the mail system running, and are you who started it?", logged=False) from None
    print(shown(outcome.text))
    return 0 if outcome.issued else 1
