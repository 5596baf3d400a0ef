"""What the queue commands and sendmail have in common: their configuration, and how they tell what goes wrong, as Postfix's
commands do: `program: severity: text` on stderr, and the same in the mail log where they may write it."""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.cli.location import configuration_directory

if TYPE_CHECKING:
    from gatepost.config.configuration import Configuration
    from gatepost.service.log import Log


# What commands import when they are about to read the queue: mail_owner may not be able to read the installation.
_FOR_THE_QUEUE = (
    "gatepost.queue.actions", "gatepost.queue.flushing", "gatepost.queue.inspect", "gatepost.queue.listing", "heapq", "sqlite3",
)  # fmt: skip


class Fatal(Exception):
    """The command cannot go on; the text says why. `logged`: whether the mail log hears of it too."""

    def __init__(self, text: str, *, logged: bool = True, status: int | None = None) -> None:
        super().__init__(text)
        self.logged = logged
        self.status = status


class Command:
    """One call of a command. `program`: the name it was called by, on stderr; `service`: its own name, in the log;
    `directory`: value of an option that names the configuration directory."""

    def __init__(self, program: str, service: str = "", directory: str | None = None) -> None:
        self.program = program
        self.service = service or program
        self.directory = configuration_directory(directory)

    @cached_property
    def configuration(self) -> "Configuration":
        """main.cf and master.cf as they are. Raises Fatal where main.cf cannot be read."""
        from gatepost.config.loading import read

        if not os.access(self.directory / "main.cf", os.R_OK):
            try:
                os.stat(self.directory / "main.cf")
                why = "Permission denied"
            except OSError as error:
                why = error.strerror or str(error)
            raise Fatal(f"open {self.directory}/main.cf: {why}", logged=False)
        return read(self.directory)

    def value(self, name: str) -> str:
        """A parameter's value. Raises Fatal."""
        from gatepost.config.configuration import ConfigurationError

        try:
            return self.configuration.value(name)
        except ConfigurationError as error:
            raise Fatal(str(error), logged=False) from None

    @cached_property
    def queue_directory(self) -> Path:
        return Path(self.value("queue_directory"))

    def say(self, text: str, severity: str = "", *, logged: bool = True) -> None:
        """A line on stderr and in the log."""
        sys.stdout.flush()
        sys.stderr.write(f"{self.program}: {severity + ': ' if severity else ''}{text}\n")
        sys.stderr.flush()
        if logged:
            self.log(text, severity)

    def warn(self, text: str, *, logged: bool = True) -> None:
        self.say(text, "warning", logged=logged)

    def log(self, text: str, severity: str = "") -> None:
        """A line in the mail log, where this user may write it; else syslog's users' way in, or nobody hears of it."""
        from gatepost.events.records import Note

        if self._log is not None:
            self._log.emit(Note(self.service, text, severity))
            self._log.flush()

    @cached_property
    def _log(self) -> "Log | None":
        from gatepost.config.configuration import ConfigurationError
        from gatepost.service.log import Log

        try:
            return Log(self.configuration, patience=Log.PATIENCE)
        except (OSError, ConfigurationError, Fatal):
            return None  # stderr has it

    def become_owner(self) -> None:
        """Root looks at the queue, and changes it, as mail_owner, for good: in folders of others root would follow their links, and
        leave files that the mail system cannot open. What is needed of root's is opened before. Raises Fatal."""
        if not is_superuser():
            return
        from gatepost.service.privileges import become

        owner = self.value("mail_owner")
        _ = self.queue_directory, self._log
        for name in _FOR_THE_QUEUE:
            importlib.import_module(name)
        try:
            become(owner)
        except KeyError:
            raise Fatal(f"parameter mail_owner: unknown user name value: {owner}", logged=False) from None


def run(command: Command, body: Callable[[], int], *, failure: int) -> int:
    """What `body` returns, or where it raises Fatal, the status of that, else `failure`."""
    try:
        return body()
    except Fatal as fatal:
        command.say(str(fatal), "fatal", logged=fatal.logged)
        return failure if fatal.status is None else fatal.status


def wrong_call(usage: str, error: str = "") -> int:
    """Tell how `gatepost COMMAND` is called; its exit status. `error`: what is wrong, where that can be said."""
    sys.stderr.write(f"gatepost: fatal: {error}\n{usage}\n" if error else f"gatepost: fatal: {usage}\n")
    return os.EX_USAGE


def octets(arguments: Sequence[str]) -> list[str]:
    """Arguments as UTF-8 with surrogate escapes, whatever the locale made of them."""
    return [os.fsencode(argument).decode("utf-8", "surrogateescape") for argument in arguments]


def is_superuser() -> bool:
    return os.geteuid() == 0


def person() -> str:
    """Who asks, for the ledger."""
    import pwd

    uid = os.getuid()
    name = os.environ.get("SUDO_USER", "") if uid == 0 else ""
    if not name:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
    return name
