"""`gatepost tlsrpt`: the reports about TLS of a day, and having them sent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatepost.cli.command import Command, run, wrong_call

if TYPE_CHECKING:
    from datetime import date

_USAGE = """\
usage: gatepost tlsrpt [-c config_dir] [--date YYYY-MM-DD] [--send | DOMAIN ...]
  shows the reports of a day (UTC; today, as far as it has come), of all domains or of those named
  --send    have those sent now that domains want (_smtp._tls), whether or not they were sent before"""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where something went wrong or nothing was found; 64 for a wrong call."""
    import getopt
    from datetime import date

    try:
        options, domains = getopt.gnu_getopt(list(argv[1:]), "c:", ["date=", "send"])
        named = dict(options)
        day = date.fromisoformat(named["--date"]) if "--date" in named else None
    except getopt.GetoptError as error:
        return wrong_call(_USAGE, error.msg)
    except ValueError as error:
        return wrong_call(_USAGE, str(error))
    if "--send" in named and domains:
        return wrong_call(_USAGE)
    command = Command("gatepost", "tlsrpt", named.get("-c"))
    return run(command, lambda: _run(command, day, domains, send="--send" in named), failure=1)


def _run(command: Command, day: "date | None", domains: Sequence[str], *, send: bool) -> int:
    from gatepost.cli.tlsrpt_call import Call

    call = Call(command, day, domains)
    return call.carry_out(Call.send if send else Call.show)
