"""`gatepost audit`: prove from the queue's ledger that every acknowledged recipient is accounted for."""

import sys
from collections.abc import Sequence

from gatepost.cli.command import Command, Fatal, octets, run
from gatepost.queue.audit import Finding, Tally, audit
from gatepost.queue.port import Status

_USAGE = "usage: gatepost audit [-c config_dir] [--thorough]"


def main(argv: Sequence[str]) -> int:
    """Exit status: 0 where nothing is missing; 1 where something is, or the queue cannot be read; 64 for a wrong option."""
    import getopt
    import os

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), "c:", ["thorough"])
    except getopt.GetoptError as error:
        sys.stderr.write(f"gatepost: fatal: {error.msg}; {_USAGE}\n")
        return os.EX_USAGE
    if operands:
        sys.stderr.write(f"gatepost: fatal: {_USAGE}\n")
        return os.EX_USAGE
    command = Command("gatepost", "audit", dict(options).get("-c"))
    return run(command, lambda: _audit(command, thorough=("--thorough", "") in options), failure=1)


def _audit(command: Command, *, thorough: bool) -> int:
    tally = Tally(ended={})
    lost = harmless = 0
    command.become_owner()
    try:
        for finding in audit(command.queue_directory, tally, thorough=thorough):
            print(_line(finding))
            harmless += finding.harmless
            lost += not finding.harmless
    except OSError as error:
        raise Fatal(f"{error.filename}: {error.strerror}", logged=False) from None
    print(_summary(tally))
    if lost:
        print(f"{lost} finding{'s' if lost > 1 else ''}: not everything is accounted for.")
        return 1
    print("Every acknowledged recipient is accounted for." + (f" {harmless} harmless remark(s)." if harmless else ""))
    return 0


def _line(finding: Finding) -> str:
    where = str(finding.id) if finding.id else f"partition {finding.partition}"
    return f"{where}: {finding.text}{' (harmless)' if finding.harmless else ''}"


def _summary(tally: Tally) -> str:
    ended = [f"{count} {Status(status).name.lower()}" for status, count in sorted(tally.ended.items())]
    return f"{tally.messages} messages on record; recipients: {', '.join([f'{tally.live} waiting', *ended])}."
