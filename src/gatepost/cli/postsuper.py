"""`gatepost postsuper`: hold, release, requeue, expire and delete queued mail, as postsuper(1) does; by queue id, or what fits
a selection (`--sender`, `--recipient`, `--age`, `--status`, `--next-hop`: our own)."""

import functools
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec import Struct

from gatepost.cli.command import Command, Fatal, is_superuser, octets, person, run
from gatepost.config.values import seconds
from gatepost.mail.queue_id import QueueId, parse
from gatepost.queue import actions
from gatepost.queue.schedule import next_run

_USAGE = (
    "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] [-f queue_id (expire and/or un-hold)]"
    " [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)]"
    " [-S (redundant structure fix)][-v (verbose)] [queue...]"
)
_SELECTING = ("sender", "recipient", "age", "status", "next-hop")
_QUEUES = ("maildrop", "incoming", "active", "deferred", "hold")


class Operation(Struct, frozen=True):
    """What an option does. `done`: told of each message that was named; `count`: the summary that counts it."""

    action: actions.Action
    done: str
    count: str


_EXPIRE = Operation(actions.EXPIRE, "expired", "Force-expired")
_RELEASE = Operation(actions.RELEASE, "released from hold", "Released from hold")
_OPERATIONS = {
    "-d": (Operation(actions.DELETE, "removed", "Deleted"),),
    "-e": (_EXPIRE,),
    "-f": (_EXPIRE, _RELEASE),
    "-h": (Operation(actions.HOLD, "placed on hold", "Placed on hold"),),
    "-H": (_RELEASE,),
    "-r": (Operation(actions.REQUEUE, "requeued", "Requeued"),),
}
_SUMMARIES = ("Requeued", "Deleted", "Force-expired", "Placed on hold", "Released from hold")


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, or 1 for an error."""
    import getopt

    try:
        options, operands = getopt.gnu_getopt(octets(argv[1:]), "c:d:e:f:h:H:pr:sSv", [f"{name}=" for name in _SELECTING])
    except getopt.GetoptError as error:
        what = "option requires an argument" if "requires" in error.msg else "invalid option"
        sys.stderr.write(f"postsuper: {what} -- '{error.opt}'\n")
        return run(Command("postsuper"), _usage, failure=1)
    command = Command("postsuper", directory=dict(options).get("-c"))
    return run(command, lambda: _run(command, options, operands), failure=1)


def _usage() -> int:
    raise Fatal(_USAGE, logged=False)


def _run(command: Command, options: list[tuple[str, str]], operands: list[str]) -> int:
    if not _may_change(command):
        raise Fatal("use of this command is reserved for the superuser", logged=False)
    for name in operands:
        if name not in _QUEUES:
            raise Fatal(f"invalid directory name: {name}")
    super_ = _Super(command, _selection(options, operands), person())
    command.become_owner()
    asked = [(_OPERATIONS[name], value) for name, value in options if name in _OPERATIONS]
    for operations, value in asked:
        super_.do(operations, value)
    super_.summarize({operation.count for operations, _ in asked for operation in operations})
    return 0


def _may_change(command: Command) -> bool:
    """Root may, and whoever runs a mail system of their own."""
    return is_superuser() or os.access(command.queue_directory / "store", os.W_OK | os.X_OK)


def _selection(options: list[tuple[str, str]], queues: list[str]) -> actions.Selection:
    given = {name.removeprefix("--"): value for name, value in options if name.startswith("--")}
    if (status := given.get("status")) is not None:
        if status not in _QUEUES:
            raise Fatal(f"--status {status}: specify one of {', '.join(_QUEUES)}")
        queues = [name for name in queues if name == status] if queues else [status]
    before = None
    if (age := given.get("age")) is not None:
        try:
            before = time.time() - seconds(age)
        except ValueError:
            raise Fatal(f"--age {age}: specify a number and a unit: s, m, h, d or w") from None
    return actions.Selection(
        queues=tuple(queues),
        sender=given.get("sender"),
        recipient=given.get("recipient"),
        before=before,
        site=given.get("next-hop"),
    )


class _Super:
    """Operates in the name of `person`, and counts them."""

    def __init__(self, command: Command, selection: actions.Selection, person: str) -> None:
        self._command = command
        self._selection = selection
        self._person = person
        self._counts = dict.fromkeys(_SUMMARIES, 0)

    def do(self, operations: Sequence[Operation], value: str) -> None:
        """`value`: a queue id, `ALL` (of what is selected), or `-` for ids on standard input."""
        if value == "ALL":
            for operation in operations:
                self._counts[operation.count] += self._in_database(functools.partial(self._do_all, operation.action))
        else:
            for identity in self._ids(value):
                for operation in operations:
                    self._do_one(operation, identity)

    def _do_all(self, action: actions.Action) -> int:
        now = time.time()
        queue = self._command.queue_directory
        return actions.by_selection(queue, action, self._selection, by=self._person, now=now, due=self._next_run(now))

    def _do_one(self, operation: Operation, identity: QueueId) -> None:
        def change() -> int:
            now, queues = time.time(), self._selection.queues
            queue = self._command.queue_directory
            done, _ = actions.by_ids(
                queue, operation.action, [identity], queues=queues, by=self._person, now=now, due=self._next_run(now)
            )
            return len(done)

        if self._in_database(change):
            self._counts[operation.count] += 1
            self._command.say(f"{identity}: {operation.done}")

    def _next_run(self, now: float) -> float:
        return next_run(now, seconds(self._command.value("queue_run_delay")))

    def _in_database(self, change: Callable[[], int]) -> int:
        import sqlite3

        try:
            return change()
        except sqlite3.Error as error:
            raise Fatal(f"{self._command.queue_directory}: {error}") from None

    def _ids(self, value: str) -> Iterator[QueueId]:
        for line in sys.stdin if value == "-" else [value]:
            name = line.removesuffix("\n")
            if not (name.isalnum() and name.isascii()):
                self._command.warn(f"invalid mail queue id: {name}")
                continue
            try:
                yield parse(name)
            except ValueError:
                continue  # well-formed, but no message can have it

    def summarize(self, asked: Collection[str]) -> None:
        """One line for each count that was asked for."""
        for name in _SUMMARIES:
            if name in asked:
                count = self._counts[name]
                self._command.say(f"{name}: {count} message{'' if count == 1 else 's'}")
