"""`gatepost learn`: have the filter learn what spam is and what is not, from mail that somebody has sorted."""

from collections.abc import Sequence
from typing import Final

from gatepost.cli.command import Command, octets, run, wrong_call

_USAGE: Final = """\
usage: gatepost learn [-c config_dir] [--spam MAIL ...] [--ham MAIL ...] [--forget MAIL ...]
       gatepost learn [-c config_dir] --import DUMP | --dump | --status
  MAIL is a file, an mbox, a Maildir or a folder of them, or - for standard input; name spam and ham in one call,
  so that they are learned in turn
  --spam    learn as spam        --ham     learn as what is wanted        --forget  take back what was learned
  --import  take over what SpamAssassin has learned (sa-learn --backup); what Bayes knew before is gone
  --dump    what Bayes has learned, in the same form        --status  how much has been learned"""

LISTS: Final = ("--spam", "--ham", "--forget")
_ALONE: Final = ("--dump", "--status")


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where something went wrong; 64 for a wrong call."""
    try:
        directory, verb, mail = parsed(octets(argv[1:]))
    except ValueError:
        return wrong_call(_USAGE)
    command = Command("gatepost", "learn", directory)
    return run(command, lambda: _run(command, verb, mail), failure=1)


def parsed(words: Sequence[str]) -> tuple[str | None, str, dict[str, list[str]]]:
    """The configuration directory, what to do (`learn`, `import`, `dump`, `status`), and what with, by the option before it.
    Raises ValueError for a wrong call."""
    directory: str | None = None
    given: dict[str, list[str]] = {}
    option = ""
    rest = iter(words)
    for word in rest:
        if word == "-c":
            directory = next(rest, None)
            if directory is None:
                raise ValueError(word)
        elif word in (*LISTS, *_ALONE, "--import"):
            option = word
            given.setdefault(word, [])
        elif not option or option in _ALONE or (word.startswith("-") and word != "-"):
            raise ValueError(word)
        else:
            given[option].append(word)
    return directory, _verb(given), given


def _verb(given: dict[str, list[str]]) -> str:
    if given and set(given) <= set(LISTS) and all(given.values()):
        return "learn"
    if len(given) == 1:
        (option, operands), *_ = given.items()
        if option in _ALONE or (option == "--import" and len(operands) == 1):
            return option.removeprefix("--")
    raise ValueError(given)


def _run(command: Command, verb: str, mail: dict[str, list[str]]) -> int:
    from gatepost.cli.learn_call import Call

    return Call(command).carry_out(verb, mail)
