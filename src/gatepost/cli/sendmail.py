"""`gatepost sendmail`, also as `mailq` and `newaliases`: what sendmail(1) of Postfix does.

Submitting a message needs neither privileges nor a running mail system: it is left in the maildrop (receive/maildrop.py).
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import PurePath

from gatepost.cli.command import Command, octets, run
from gatepost.cli.sendmail_options import Asked, asked, scan

_MODES = {"mailq": "p", "newaliases": "i"}


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 75 (EX_TEMPFAIL) for whatever goes wrong before the message is in the maildrop; that of the command in
    whose place this one runs (`-q`, `-bp`, `-bi`)."""
    program = PurePath(argv[0]).name
    options, operands, complaints = scan(octets(argv[1:]))
    command = Command(program, "sendmail", _directory(options))

    def body() -> int:
        found = asked(command, options, operands, complaints, _MODES.get(program, "m"))
        return _ACTIONS[found.mode](command, found)

    return run(command, body, failure=os.EX_TEMPFAIL)


def _submit(command: Command, found: Asked) -> int:
    from gatepost.cli.sendmail_submit import submit

    return submit(command, found, sys.stdin.buffer)


def _list(command: Command, found: Asked) -> int:
    from gatepost.cli import postqueue

    return postqueue.main(["postqueue", "-c", str(command.directory), "-p"])


def _flush(command: Command, found: Asked) -> int:
    from gatepost.cli import postqueue

    return postqueue.main(["postqueue", "-c", str(command.directory), *found.flush])


def _rebuild(command: Command, found: Asked) -> int:
    from gatepost.cli.newaliases import rebuild

    return rebuild(str(command.directory), found.aliases)


def _start(command: Command, found: Asked) -> int:
    """As Postfix: start the mail system, and say nothing of how that went."""
    from gatepost.cli import postfix

    postfix.main(["postfix", "-c", str(command.directory), "start"])
    return 0


def _standalone(command: Command, found: Asked) -> int:
    from gatepost.cli.sendmail_standalone import serve

    return serve(command)


def _nothing(command: Command, found: Asked) -> int:
    """As Postfix: what Sendmail knew of other hosts is not asked for in earnest."""
    return 0


_ACTIONS: dict[str, Callable[[Command, Asked], int]] = {
    "m": _submit,
    "p": _list,
    "q": _flush,
    "i": _rebuild,
    "d": _start,
    "s": _standalone,
    "h": _nothing,
}


def _directory(options: Sequence[tuple[str, str]]) -> str | None:
    """What the last -C names: the configuration directory, or the main.cf in it (sendmail(1))."""
    named = next((value for letter, value in reversed(options) if letter == "C"), None)
    return named and (named.removesuffix("/main.cf") or "/")
