"""`gatepost postqueue`: list and flush the queue, as postqueue(1) does."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.cli.command import Command, Fatal, octets, run

if TYPE_CHECKING:
    from gatepost.queue.inspect import Batch, ListedMessage

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
            raise Fatal(_USAGE, logged=not chosen and not operands)  # the others are noticed before there is a log
        [(letter, value)] = chosen
        _DO[letter](command, value)
        return 0

    return run(command, body, failure=os.EX_UNAVAILABLE)


def _usage() -> int:
    raise Fatal(_USAGE, logged=False)


def _list(command: Command, _: str) -> None:
    from gatepost.queue import listing

    _show(command, listing.for_people)


def _list_json(command: Command, _: str) -> None:
    from gatepost.queue import listing

    _show(command, listing.as_json)


def _show(command: Command, form: Callable[[Iterable["Batch"]], Iterator[str]]) -> None:
    from gatepost.queue import inspect

    if _may_read_queue(command):
        command.become_owner()
        batches: Iterable[Batch]
        try:
            batches = inspect.batches(command.queue_directory, lambda path, error: command.warn(f"{path}: {error}"))
        except OSError as error:
            raise Fatal(f"{error.filename}: {error.strerror}") from None
    else:
        batches = ([message] for message in _told(command))
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    write = sys.stdout.write
    for block in form(batches):
        write(block)


def _told(command: Command) -> "Iterator[ListedMessage]":
    """The messages that the running mail system tells us of. Raises Fatal."""
    from gatepost.queue.user_requests import listed

    with _asking("showq", "Queue report unavailable"):
        yield from listed(command.queue_directory)


def _may_read_queue(command: Command) -> bool:
    """Whether this user may open the queue's files: root, mail_owner, or whoever runs a mail system of their own."""
    return os.access(command.queue_directory / "store", os.R_OK | os.W_OK | os.X_OK)


@contextmanager
def _asking(service: str, trouble: str) -> Iterator[None]:
    """What comes of asking the running mail system. Raises Fatal."""
    from gatepost.proto.attributes import ProtocolError
    from gatepost.queue.user_requests import Refused

    try:
        yield
    except Refused as refusal:
        raise Fatal(str(refusal), logged=False) from None
    except ProtocolError as error:
        raise Fatal(f"malformed {service} server response: {error}") from None
    except OSError as error:
        why = error.strerror or error
        raise Fatal(f"{trouble} - mail system is down (Connect to the Postfix {service} service: {why})") from None


def _change(command: Command, request: tuple[tuple[str, str], ...], directly: Callable[[Path], object]) -> None:
    if not _may_read_queue(command):
        from gatepost.queue import user_requests

        with _asking("flush", "Cannot flush mail queue"):
            user_requests.flush(command.queue_directory, *request)
        return
    import sqlite3

    command.become_owner()
    try:
        directly(command.queue_directory)
    except sqlite3.Error as error:
        raise Fatal(f"{command.queue_directory}: {error}") from None


def _flush(command: Command, _: str) -> None:
    from gatepost.queue import actions

    _change(command, (("request", "purge"),), actions.flush)


def _flush_message(command: Command, name: str) -> None:
    from gatepost.queue import flushing

    if not (name.isalnum() and name.isascii()):
        raise Fatal(f'Cannot flush queue ID - invalid name: "{name}"')
    _change(command, (("request", "send_file"), ("queue_id", name)), lambda queue: flushing.flush_message(queue, name))


def _flush_site(command: Command, site: str) -> None:
    from gatepost.queue import flushing

    if not _is_destination(site):
        raise Fatal(f'Cannot flush mail queue - invalid destination: "{site}"')
    if not _is_flushed_by_site(command, site):
        raise Fatal(f'Flush service is not configured for destination "{site}"')
    _change(command, (("request", "send_site"), ("site", site)), lambda queue: flushing.flush_site(queue, site))


def _is_destination(site: str) -> bool:
    from gatepost.receive.peer import valid_hostname, valid_literal

    return valid_hostname(site) or valid_literal(site)


def _is_flushed_by_site(command: Command, site: str) -> bool:
    """Whether fast_flush_domains lists the site."""
    import asyncio

    from gatepost.lookup.match_list import MatchList
    from gatepost.lookup.registry import Tables
    from gatepost.lookup.server_access import ServerAccess

    tables = Tables(command.warn, access=ServerAccess(lambda: command.configuration))
    listed = MatchList.domains(command.value("fast_flush_domains"), tables, "fast_flush_domains", command.warn, parents=True)
    return asyncio.run(listed.matches(site))


_DO: dict[str, Callable[[Command, str], None]] = {
    "f": _flush,
    "i": _flush_message,
    "j": _list_json,
    "p": _list,
    "s": _flush_site,
}
