"""`gatepost greylist`: what is remembered of greylisting, looked at and changed while mail is served."""

import importlib
from collections.abc import Callable, Sequence

from gatepost.cli.command import Command, octets, run, wrong_call

_USAGE = """\
usage: gatepost greylist [-c config_dir] COMMAND
  list [WORD ...]           what is remembered, or what of it has all these words
  show WORD ...             the same in full
  allow ADDRESS|@DOMAIN     never greylist this client again
  forget WORD ...|--all     remember what has all these words no more
  import DIRECTORY|FILE ... take over postgrey's database
  report [--days N]         what was put off, and what never came back
A word is an address, a network, a sender, a recipient, the domain of one, or a whole key."""

_Fits = Callable[[list[str], bool], bool]
_COMMANDS: dict[str, tuple[str, _Fits]] = {
    "list": ("greylist_entries", lambda words, all_of_it: not all_of_it),
    "show": ("greylist_entries", lambda words, all_of_it: bool(words)),
    "allow": ("greylist_entries", lambda words, all_of_it: len(words) == 1),
    "forget": ("greylist_entries", lambda words, all_of_it: bool(words) is not all_of_it),
    "import": ("greylist_import", lambda words, all_of_it: bool(words)),
    "report": ("greylist_entries", lambda words, all_of_it: not words),
}
"""Name to (module, whether it takes these words, and --all or not); the function there has the name with `_` behind."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where something went wrong or nothing was found; 64 for a wrong call."""
    import getopt

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), "c:", ["all", "days="])
        named = dict(options)
        name, words = operands[0] if operands else "", operands[1:]
        days = float(named.get("--days", "7"))
        if name not in _COMMANDS or not _COMMANDS[name][1](words, "--all" in named) or not 0 < days < 1e6:
            raise ValueError
    except getopt.GetoptError as error:
        return wrong_call(_USAGE, error.msg)
    except ValueError:
        return wrong_call(_USAGE)
    command = Command("gatepost", "greylist", named.get("-c"))
    return run(command, lambda: _run(command, name, words, days), failure=1)


def _run(command: Command, name: str, words: list[str], days: float) -> int:
    from gatepost.cli.greylist_call import Call

    body = getattr(importlib.import_module(f"gatepost.cli.{_COMMANDS[name][0]}"), f"{name}_")
    call = Call(command, words, days)
    if name == "import":
        call.open_files()  # which root may read, and mail_owner perhaps not
    return call.carry_out(body)
