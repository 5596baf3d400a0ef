"""`gatepost submission`: what logins send, which of them are blocked, and their mail on hold."""

from collections.abc import Sequence

from gatepost.cli.command import Command, octets, run, wrong_call

_USAGE = """\
usage: gatepost submission [-c config_dir] COMMAND
  list [--all]              logins that are blocked or have mail on hold, or all that have sent mail lately
  show LOGIN                what it has sent, from where, and what is held
  block LOGIN               hold all its mail from now on
  lift LOGIN                let its new mail out again, counted from nothing
  release [--lift] LOGIN    send what is held; --lift: and let new mail out again
  purge [--lift] LOGIN      throw away what is held; --lift: and let new mail out again"""

_OPTIONS = {"list": ("--all",), "show": (), "block": (), "lift": (), "release": ("--lift",), "purge": ("--lift",)}
"""Name to the options that it takes."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where something went wrong or nothing was found; 64 for a wrong call."""
    import getopt

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), "c:", ["all", "lift"])
        named = dict(options)
        name, words = operands[0] if operands else "", operands[1:]
        flags = [option for option in named if option != "-c"]
        if name not in _OPTIONS or not set(flags) <= set(_OPTIONS[name]) or len(words) != (name != "list"):
            raise ValueError
    except getopt.GetoptError as error:
        return wrong_call(_USAGE, error.msg)
    except ValueError:
        return wrong_call(_USAGE)
    command = Command("gatepost", "submission", named.get("-c"))
    return run(command, lambda: _run(command, name, "".join(words), bool(flags)), failure=1)


def _run(command: Command, name: str, login: str, flag: bool) -> int:
    from gatepost.cli.submission_call import VERBS, Call

    return Call(command, login, flag).carry_out(VERBS[name])
