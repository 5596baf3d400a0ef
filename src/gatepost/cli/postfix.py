"""`gatepost start|stop|reload|status|check|abort|flush|logrotate`, also as `postfix start` and so on (postfix(1))."""

import functools
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.cli.location import configuration_directory

if TYPE_CHECKING:
    from gatepost.config.faults import Fault

_STOP_PATIENCE = 30.0  # seconds


def main(argv: Sequence[str]) -> int:
    """Run the command that argv names; 0 where it was done."""
    if argv[0] == "postfix" and not sys.stderr.isatty() and "start-fg" not in argv and "--foreground" not in argv:
        return _as_script(argv)
    return _main(argv)


def _as_script(argv: Sequence[str]) -> int:
    """What is said goes to the mail log where nobody watches, as with postfix(1); to stderr where there is no log."""
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = _main(argv)
    options = dict(itertools.pairwise(argv))
    try:
        _to_log(configuration_directory(options.get("-c")), said.getvalue())
    except Exception:  # whatever keeps the log from being written must not swallow what was to be said
        sys.stderr.write(said.getvalue())
    return status


def _to_log(directory: Path, said: str) -> None:
    from gatepost.config.loading import load
    from gatepost.events.records import Note
    from gatepost.service.log import Log

    if not said:
        return
    log = Log(load(directory), patience=Log.PATIENCE)
    for line in said.splitlines():
        text = line.removeprefix("gatepost: ")
        word, _, rest = text.partition(": ")
        log.emit(Note("postfix-script", *((rest, word) if word in ("fatal", "warning") else (text, ""))))
    log.flush()


def _main(argv: Sequence[str]) -> int:
    name, arguments = argv[0], list(argv[1:])
    directory: str | None = None
    foreground = offline = False
    words = [] if name == "postfix" else [name]
    while arguments:
        argument = arguments.pop(0)
        if argument == "-c" and arguments:
            directory = arguments.pop(0)
        elif argument in ("--foreground", "-f"):
            foreground = True
        elif argument == "--offline":
            offline = True
        elif argument in ("-v", "-D"):
            continue
        elif argument.startswith("-"):
            return _usage(f"unknown option {argument}")
        else:
            words.append(argument)
    command = words[0] if words else ""
    if command == "start-fg":
        command, foreground = "start", True
    if command == "start":
        return start(configuration_directory(directory), foreground=foreground)
    action = _COMMANDS.get(command)
    if name == "postfix" and action is None:
        return _fatal(f"unknown command: '{command}'. Usage: postfix {_POSTFIX_USAGE}")
    if offline and action is check:
        action = functools.partial(check, offline=True)
    if action is None or len(words) != 1:
        return _usage(f"unknown command {' '.join(words)!r}" if words else "no command given")
    return _acting(action, configuration_directory(directory))


def _acting(action: Callable[[Path], int], directory: Path) -> int:
    """Do it; a configuration that cannot be read is named, not traced."""
    from gatepost.config.configuration import ConfigurationError

    try:
        return action(directory)
    except (ConfigurationError, OSError) as error:
        return _fatal(str(error))


_POSTFIX_USAGE = "start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)"


def _usage(problem: str) -> int:
    known = " ".join(["start", *_COMMANDS])
    return _fatal(f"{problem}; usage: gatepost [-c DIR] [--foreground] COMMAND, where COMMAND is one of: {known}", os.EX_USAGE)


def _fatal(text: str, status: int = 1) -> int:
    sys.stderr.write(f"gatepost: fatal: {text}\n")
    return status


def start(directory: Path, *, foreground: bool) -> int:
    """Start the mail system; in the background, return when it serves."""
    if (status := check(directory, quiet=True)) != 0:
        return status
    return run(directory) if foreground else _in_background(directory)


_SERVING = b"\0"  # what a daemon writes where its complaints went, once it serves


def _in_background(directory: Path) -> int:
    """Leave a supervisor behind that has nothing of ours open; return when it serves, or say what it said and its status."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor, end in ((0, null), (1, null), (2, tell)):
            os.dup2(end, descriptor)
        os.close(tell)
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 (for as long as the daemon lives)
        os._exit(run(directory, lambda: (os.write(2, _SERVING), os.dup2(null, 2))))
    os.close(tell)
    said = b""
    while not said.endswith(_SERVING) and (more := os.read(told, 4096)):
        said += more
    sys.stderr.write(said.removesuffix(_SERVING).decode(errors="replace"))
    if said.endswith(_SERVING):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or 1


def run(directory: Path, on_serving: Callable[[], object] = lambda: None, *, demo: bool = False) -> int:
    """Be the supervisor of the mail system in `directory` until told to stop."""
    from gatepost.config.configuration import ConfigurationError
    from gatepost.service.master.supervisor import StartFailure, Supervisor

    try:
        return Supervisor(directory, demo=demo).run(on_serving)
    except (StartFailure, ConfigurationError) as error:
        return _fatal(str(error))


def check(directory: Path, *, quiet: bool = False, offline: bool = False) -> int:
    """Name what is wrong with the configuration on stderr; 0 where nothing is but settings that are not used or not obeyed.
    `offline`: ask no server of a table."""
    from gatepost.config.configuration import ConfigurationError
    from gatepost.config.loading import load
    from gatepost.service import unseen

    try:
        configuration = load(directory)
        refused = unseen.refused(configuration)
    except ConfigurationError as error:
        _name("fatal", error.faults)
        return 1
    _name("fatal", refused)
    if quiet:
        return 1 if refused else 0
    from gatepost.service.check.check import check as faults_of
    from gatepost.service.check.filter_rules import check_filter_rules

    wrong, not_run = check_filter_rules(configuration)
    faults = (*faults_of(configuration, ask=not offline), *wrong)
    told = {(fault.place, fault.text) for fault in refused}
    _name("warning", (fault for fault in (*configuration.warnings, *not_run, *faults) if (fault.place, fault.text) not in told))
    return 1 if faults or refused else 0


def _name(severity: str, faults: Iterable["Fault"]) -> None:
    for fault in faults:
        sys.stderr.write(f"gatepost: {severity}: {fault}\n")


def running_pid(directory: Path) -> int | None:
    """pid of the running supervisor, None where none runs. Raises ConfigurationError, OSError."""
    from gatepost.config.loading import load
    from gatepost.service.master.pid_file import holder

    return holder(Path(load(directory).value("queue_directory")))


def _tell(directory: Path, number: int) -> int | None:
    """Send a signal to the supervisor; its pid, or None where it does not run."""
    pid = running_pid(directory)
    if pid is not None:
        os.kill(pid, number)
    return pid


def _wait_for_end(directory: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while running_pid(directory) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


_NOT_RUNNING = "the Postfix mail system is not running"


def stop(directory: Path) -> int:
    """Stop in an orderly way: deliveries under way may finish."""
    if _tell(directory, signal.SIGTERM) is None:
        return _fatal(_NOT_RUNNING)
    if not _wait_for_end(directory, _STOP_PATIENCE):
        return _fatal(f"it has not stopped after {_STOP_PATIENCE:.0f} seconds; `gatepost abort` kills it, nothing is lost by that")
    return 0


def abort(directory: Path) -> int:
    """Stop at once; what was under way is attempted again after the next start."""
    if _tell(directory, signal.SIGKILL) is None:
        return _fatal(_NOT_RUNNING)
    return 0 if _wait_for_end(directory, _STOP_PATIENCE) else _fatal("it cannot be killed")


def reload(directory: Path) -> int:
    """Have the configuration read again, if it is a good one."""
    if (status := check(directory, quiet=True)) != 0:
        sys.stderr.write("gatepost: fatal: reload refused: the running mail system keeps its configuration\n")
        return status
    if _tell(directory, signal.SIGHUP) is None:
        return _fatal(_NOT_RUNNING)
    sys.stderr.write("gatepost: refreshing the Postfix mail system\n")
    return 0


def status(directory: Path) -> int:
    """Say whether it runs; 0 if so."""
    pid = running_pid(directory)
    if pid is None:
        sys.stderr.write(f"gatepost: {_NOT_RUNNING}\n")
        return 1
    sys.stderr.write(f"gatepost: the Postfix mail system is running: PID: {pid}\n")
    return 0


def flush(directory: Path) -> int:
    """Make every deferred recipient due now."""
    from gatepost.cli import postqueue

    return postqueue.main(["postqueue", "-c", str(directory), "-f"])


def logrotate(directory: Path) -> int:
    """Have the log begin anew."""
    from gatepost.cli.logrotate import RotationFailed, rotate
    from gatepost.config.loading import load

    if (status := check(directory, quiet=True)) != 0:  # the mail system would not reload such a configuration, and so not the log
        return status
    try:
        rotate(load(directory), lambda: _tell(directory, signal.SIGHUP))
    except RotationFailed as failure:
        return _fatal(str(failure))
    return 0


_COMMANDS: dict[str, Callable[[Path], int]] = {
    "stop": stop,
    "reload": reload,
    "status": status,
    "check": check,
    "abort": abort,
    "flush": flush,
    "logrotate": logrotate,
}
