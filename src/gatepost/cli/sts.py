"""`gatepost sts`: the policies of MTA-STS that mail goes by, looked at, asked for and forgotten while mail is served."""

from collections.abc import Sequence

from gatepost.cli.command import Command, octets, run, wrong_call

_USAGE = """\
usage: gatepost sts [-c config_dir] COMMAND
  list              domains of which anything is known
  show DOMAIN       what is known of it, and what it says now
  forget DOMAIN     know nothing of it any more: the next mail asks"""

_WORDS = {"list": 0, "show": 1, "forget": 1}
"""Name to the number of its words."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where something went wrong, or there is no policy; 64 for a wrong call."""
    import getopt

    try:
        options, operands = getopt.getopt(octets(argv[1:]), "c:")
    except getopt.GetoptError as error:
        return wrong_call(_USAGE, error.msg)
    name, words = operands[0] if operands else "", operands[1:]
    if _WORDS.get(name) != len(words):
        return wrong_call(_USAGE)
    command = Command("gatepost", "sts", dict(options).get("-c"))
    return run(command, lambda: _run(command, name, "".join(words)), failure=1)


def _run(command: Command, name: str, domain: str) -> int:
    from gatepost.cli.sts_call import VERBS, Call

    return Call(command, domain).carry_out(VERBS[name])
