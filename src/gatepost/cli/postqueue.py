"""`gatepost postqueue`: list and flush the queue, as postqueue(1) does."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence

from gatepost.cli.command import Command, Fatal, octets, run

_USAGE = "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"
_ACTIONS = "fijps"


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, or 69 (EX_UNAVAILABLE)."""
    import getopt

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), "c:fi:jps:v")
    except getopt.GetoptError as error:
        what = "option requires an argument" if "requires" in error.msg else "invalid option"
        sys.stderr.write(f"postqueue: {what} -- '{error.opt}'\n")
        return run(Command("postqueue"), _usage, failure=os.EX_UNAVAILABLE)
    command = Command("postqueue", directory=dict(options).get("-c"))

    def body() -> int:
        chosen = [(name[1], value) for name, value in options if name[1] in _ACTIONS]
        if len(chosen) != 1 or operands:
            return _usage()
        [(letter, value)] = chosen
        _DO[letter](command, value)
        return 0

    return run(command, body, failure=os.EX_UNAVAILABLE)


def _usage() -> int:
    raise Fatal(_USAGE)


def _list(command: Command, _: str) -> None:
    from gatepost.cli.queue_listing import for_people

    _show(command, for_people)


def _list_json(command: Command, _: str) -> None:
    from gatepost.cli.queue_listing import as_json

    _show(command, as_json)


def _show(command: Command, form: Callable[..., Iterable[str]]) -> None:
    from gatepost.queue import inspect

    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    write = sys.stdout.write
    found = inspect.messages(command.queue_directory, lambda path, error: command.warn(f"{path}: {error}"))
    for block in form(found):
        write(block)


def _flush(command: Command, _: str) -> None:
    from gatepost.queue import actions

    actions.flush(command.queue_directory)


def _flush_one(command: Command, name: str) -> None:
    from gatepost.mail.queue_id import parse
    from gatepost.queue import actions

    if not (name.isalnum() and name.isascii()):
        raise Fatal(f'Cannot flush queue ID - invalid name: "{name}"')
    try:
        identity = parse(name)
    except ValueError:
        return  # a well-formed name of a message that there cannot be
    actions.by_ids(command.queue_directory, actions.FLUSH, [identity])
    actions.signal_flush(command.queue_directory)


def _flush_site(command: Command, site: str) -> None:
    from gatepost.queue import actions

    actions.by_selection(command.queue_directory, actions.FLUSH, actions.Selection(queues=actions.FLUSH.only, site=site))
    actions.signal_flush(command.queue_directory)


_DO: dict[str, Callable[[Command, str], None]] = {
    "f": _flush,
    "i": _flush_one,
    "j": _list_json,
    "p": _list,
    "s": _flush_site,
}
