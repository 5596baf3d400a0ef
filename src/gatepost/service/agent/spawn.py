"""spawn(8): commands of master.cf that serve a connection each, by their standard input and output, as the user of their line.

The sockets are the agent's own: no worker takes part, and whoever has taken one over can ask for nothing here. What is run, and as
whom, stands in master.cf alone. A thread a socket accepts, as far as there is room (maxproc), and a thread a connection waits for
its command, also after a reload. Failure: where a command cannot be started, the connection is closed and the log says why.
"""

import grp
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.config.spawned import SpawnFault, spawn_attributes
from gatepost.deliver.local_names import user_named
from gatepost.deliver.pipe import command_environment
from gatepost.deliver.privileged import RunCommand
from gatepost.events.records import Note
from gatepost.service.agent import run_command
from gatepost.service.agent.arrivals import arrivals
from gatepost.service.agent.rights import Ids
from gatepost.service.inheritance import Inheritance, Listener
from gatepost.service.local import exported_environment
from gatepost.service.log import Log

_PAUSE = 0.1  # seconds after a failure to accept
_UNLIMITED = 1 << 20

Tell = Callable[[str], None]


class Spawned(Struct, frozen=True):
    """What one line runs. `limit`: commands at one time (maxproc)."""

    command: RunCommand
    limit: int


def spawned(configuration: Configuration, entry: ServiceEntry) -> Spawned:
    """What a spawn line asks for. Raises SpawnFault."""
    attributes = spawn_attributes(entry.arguments)
    uid, gid = _ids(attributes.user, attributes.group)
    if 0 in (uid, gid):
        raise SpawnFault(f"user= command-line attribute specifies root privileges: {attributes.user}")
    if os.getuid() not in (0, uid):
        raise SpawnFault(f"cannot run a command as {attributes.user}: Gatepost was not started by root")
    limit = int(configuration.value("default_process_limit")) if entry.process_limit is None else entry.process_limit
    command = RunCommand(
        argv=attributes.argv,
        uid=uid,
        gid=gid,
        time_limit=float(configuration.transport(entry.name, "time_limit", entry.overrides)),
        environment=command_environment(exported_environment(configuration, entry)),
        directory=configuration.value("queue_directory", entry.overrides),
    )
    return Spawned(command, limit or _UNLIMITED)


def _ids(user: str, group: str) -> Ids:
    """Raises SpawnFault."""
    account = user_named(user)
    if account is None:
        raise SpawnFault(f"unknown username: {user}")
    try:
        return account.uid, grp.getgrnam(group).gr_gid if group else account.gid
    except KeyError:
        raise SpawnFault(f"unknown group: {group}") from None


class Line(Struct, frozen=True):
    """A socket, and what is run for it: a fault where the line is wrong."""

    listener: Listener
    what: Spawned | SpawnFault


def lines(inheritance: Inheritance) -> tuple[Line, ...]:
    """The spawn lines of the configuration that have a socket."""
    found = []
    for listener in inheritance.listeners:
        try:
            found.append(Line(listener, spawned(inheritance.configuration, listener.entry)))
        except SpawnFault as fault:
            found.append(Line(listener, fault))
    return tuple(found)


def serve(lines: Sequence[Line], log: Log, over: int) -> None:
    """Serve these sockets, in threads of their own, until the descriptor `over` is readable. A line that is wrong has its
    connections closed at once, and is named in the log."""
    for line in lines:
        threading.Thread(target=_accept, args=(line, _teller(log.apart()), over), daemon=True).start()


def _teller(log: Log) -> Tell:
    def tell(text: str) -> None:
        log.emit(Note("spawn", text, "warning"))
        log.flush()

    return tell


def _accept(line: Line, tell: Tell, over: int) -> None:
    entry, what = line.listener.entry, line.what
    if isinstance(what, SpawnFault):
        tell(f"{entry.file}, line {entry.line}: {what}")
    room = threading.BoundedSemaphore(1 if isinstance(what, SpawnFault) else what.limit)
    room.acquire()
    for connection in arrivals(line.listener.socket, over, lambda text: tell(f"{entry.key}: {text}")):
        try:
            threading.Thread(target=_serve, args=(connection, what, room, tell), daemon=False).start()
        except RuntimeError as error:  # there can be no more threads
            connection.close()
            room.release()
            tell(f"{entry.key}: {error}")
            time.sleep(_PAUSE)
        room.acquire()  # whoever comes when there is no room waits in the system's queue, as with master(8)


def _serve(connection: socket.socket, what: Spawned | SpawnFault, room: threading.BoundedSemaphore, tell: Tell) -> None:
    """Run the command of a connection to its end, or to that of its time."""
    try:
        with connection:
            if isinstance(what, SpawnFault):
                return
            process = run_command.start(what.command, connection.fileno())
        for text in _end(what, process):
            tell(text)
    except (OSError, run_command.NotStarted) as error:
        tell(str(error))
    finally:
        room.release()


def _end(what: Spawned, process: "subprocess.Popen[bytes]") -> Iterator[str]:
    name = what.command.argv[0]
    try:
        status = process.wait(what.command.time_limit)
    except subprocess.TimeoutExpired:
        run_command.kill_session(process.pid)
        process.wait()
        yield f"command {name}: time limit exceeded ({what.command.time_limit:.0f}s)"
        return
    if status < 0:
        yield f"command {name} killed by signal {-status}"
    elif status:
        yield f"command {name} exit status {status}"
