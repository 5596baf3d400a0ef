"""The supervisor (master(8)): binds the ports, starts the workers and the agent, and keeps them there. Parses no mail.

Contract
- Listening sockets live here and are inherited by every worker, so that a worker can die or be replaced without one refused
  connection. Opening the log, binding low ports and starting the agent are all that root is needed for.
- SIGHUP: read the configuration again. A bad one is refused, by name, and the old one keeps running. A good one gets new
  workers; when they serve, the old ones are told to finish; where they do not, the old ones stay.
- SIGTERM, SIGINT: stop in an orderly way. SIGCHLD: bring back what has died, within a second.
- Signals are blocked here and fetched one by one (sigtimedwait), so no handler runs between two lines; children unblock them.
Failure: what cannot be bound or created at the start is one `fatal:` line and exit status 1.
"""

import contextlib
import gc
import itertools
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gatepost.config.accounts import accounts_that_are_refused
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.usage import missing
from gatepost.events.records import Note
from gatepost.net import openssl
from gatepost.queue.user_requests import FLUSH, SHOWQ
from gatepost.service import worker
from gatepost.service.agent import agent
from gatepost.service.agent.grants import grants_of
from gatepost.service.faults import STARTED_AGAIN, Faults
from gatepost.service.log import Log
from gatepost.service.master import pid_file, preload
from gatepost.service.master.anvil import Anvil
from gatepost.service.master.children import Children, Role, how_it_ended
from gatepost.service.master.directories import UnsafeDirectory, create_missing
from gatepost.service.master.listeners import BindFailure, Listeners
from gatepost.service.master.state_watch import StateWatch
from gatepost.service.master.ticket_secrets import TicketSecrets
from gatepost.service.master.watchdog import LOOK, Pulse, Watchdog
from gatepost.service.privileges import become, die_with_parent
from gatepost.service.settings import MasterSettings
from gatepost.service.showq import showq
from gatepost.service.smtpd import load_tls
from gatepost.service.unseen import load_to_serve
from gatepost.service.walls import walls

_SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_STOP_PATIENCE = 10.0  # seconds for children to finish before they are killed; nothing acknowledged is lost by that
_FAULT_PAUSE = 1.0  # seconds before the next try after a fault of ours, or a fork that failed
_RELOAD_PATIENCE = 20.0  # seconds for new workers to serve before a reload is given up
_AGENT = Role("agent")
_SHOWQ = Role("showq")


class StartFailure(Exception):
    """The mail system cannot start; the text says what to do."""


class Supervisor:
    """One running mail system. `demo`: mail_owner may be whoever it is, root too, for nothing leaves this machine.
    `children`: forks; `import_all`: imports what every child needs."""

    def __init__(
        self,
        directory: Path,
        *,
        demo: bool = False,
        children: Children | None = None,
        import_all: Callable[..., object] = preload.import_all,
    ) -> None:
        self._directory = directory
        self._demo = demo
        self._import_all = import_all
        self._children = children or Children()
        self._listeners = Listeners()
        self._generation = 0
        self._generations = itertools.count(1)
        self._stopping = False
        self._anvil_wait = 0.0
        self._tickets = TicketSecrets()
        self._pid = os.getpid()
        self._configuration = self._load()
        self._settings = self._configuration.view(MasterSettings)
        self._children.longest_pause = self._settings.service_throttle_time
        self._watchdog = Watchdog(self._settings.worker_watchdog_time)
        self._state_watch = StateWatch(self._settings)

    def run(self, on_serving: Callable[[], object] = lambda: None) -> int:
        """Run until told to stop; returns the exit status. `on_serving` is called once every port is served.
        Raises StartFailure, ConfigurationError."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self.open()
        self._say(f"daemon started -- version {self._settings.mail_version}, configuration {self._directory}")
        self._say_what_is_missing()
        self._import_all(tls=preload.may_use_tls(self._configuration))
        gc.collect()
        gc.freeze()  # what is shared with the children stays shared: the collector must not touch it
        self._start_all()
        if not self._wait_until_serving(0):
            self._stop()
            raise StartFailure("the workers cannot serve this configuration; the mail log says why")
        on_serving()
        faults = Faults(self._log, "master")
        while not self._stopping:
            try:
                self._handle(signal.sigtimedwait(_SIGNALS, self._next_wait()))
            except Exception as fault:  # whatever it is, mail goes on
                faults.tell(fault, "the mail system goes on as it was")
                time.sleep(_FAULT_PAUSE)
        return self._stop()

    def open(self) -> None:
        """Take the queue directory, the log and the ports. Raises StartFailure."""
        try:
            create_missing(self._settings)
            self._lock = pid_file.take(Path(self._settings.queue_directory))
            self._log = Log(self._configuration)
            self._tickets.open(Path(self._settings.queue_directory), self._settings.tls_session_ticket_key_max_age, self._warn)
            self._anvil = Anvil(worker_count(self._settings))
            self._listeners.bind(self._configuration)
        except pid_file.AlreadyRunning:
            raise StartFailure("the Postfix mail system is already running") from None
        except KeyError as error:
            raise StartFailure(error.args[0]) from error
        except (OSError, BindFailure, UnsafeDirectory) as error:
            raise StartFailure(str(error)) from error

    def close(self) -> None:
        """Give up the ports and the queue directory; no child is left."""
        self._listeners.close()
        os.close(self._lock)

    def _load(self) -> Configuration:
        """The configuration as it stands now. Raises ConfigurationError."""
        configuration = load_to_serve(self._directory)
        if os.geteuid() == 0 and not self._demo and (faults := tuple(accounts_that_are_refused(configuration))):
            raise ConfigurationError(faults)
        return configuration

    def _start_all(self) -> None:
        self._fork(_AGENT)
        self._fork(_SHOWQ)
        self._start_workers()

    def _start_workers(self) -> None:
        for number in range(worker_count(self._settings)):
            self._fork(Role("worker", number))

    def _fork(self, role: Role) -> None:
        pulse = Pulse() if role.name == "worker" else None
        child = self._children.fork(role, self._generation, lambda ready: self._child(role, ready, pulse))
        if pulse is not None:
            self._anvil.seated(child.pid)
            self._watchdog.watch(child.pid, pulse)

    def _child(self, role: Role, ready: int, pulse: Pulse | None) -> None:
        faults = Faults(self._log, role.name)
        faults.watch_process(needs_threads=role.name == "worker")
        try:
            self._live(role, ready, faults, pulse)
        except Exception as fault:  # a child must not unwind into the supervisor
            faults.tell(fault, STARTED_AGAIN)
            sys.exit(1)

    def _live(self, role: Role, ready: int, faults: Faults, pulse: Pulse | None) -> None:
        """The first steps of a child: nothing of the sender's is read before the privileges are gone."""
        os.close(self._lock)
        self._watchdog.forget_all()
        self._listeners.close_left_over()  # else nobody would ever accept what still connects there
        if pulse is not None:
            self._listeners.close_but()
            listeners = self._listeners.sockets()
            tls = {
                listener.entry.key: load_tls(self._configuration, listener.entry, self._log.emit, self._tickets.read)
                for listener in listeners
            }
            counters = self._anvil.counters(self._configuration, self._log.emit)
            self._give_up_privileges()
            worker.run(worker.Inheritance(self._configuration, listeners, tls, self._log, faults, counters, pulse, ready))
        elif role == _SHOWQ:
            listings, flushes = self._listeners.user_socket(SHOWQ), self._listeners.user_socket(FLUSH)
            self._listeners.close_but(listings, flushes)
            self._give_up_privileges()
            showq.run(showq.Inheritance(self._configuration, listings, flushes, self._log, faults, ready))
        else:
            listener = self._listeners.agent_socket()
            self._listeners.close_but(listener)
            die_with_parent(self._pid)
            agent.run(agent.Inheritance(listener, grants_of(self._configuration), self._log, ready))

    def _give_up_privileges(self) -> None:
        become(self._settings.mail_owner)
        try:
            walls.put_up(walls.planned(self._configuration))
        except OSError as error:  # mail goes on, as where the kernel has none
            self._say(f"no walls: {error}", "warning")
        die_with_parent(self._pid)  # only now: the kernel forgets it where the user changes

    def _handle(self, info: signal.struct_siginfo | None) -> None:
        number = info.si_signo if info else None
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
        elif number == signal.SIGHUP:
            self.reload()
        self._reap()
        for pid, place in self._watchdog.stuck(time.monotonic()):
            self._say(f"process worker pid {pid}: its event loop is stuck, killed and started again: at {place}", "error")
            os.kill(pid, signal.SIGKILL)
        self._end_stopped_writer()
        self._tickets.look()
        for role in self._children.due():
            self._fork(role)
        self._anvil_wait = self._anvil.look(self._configuration, self._log.emit)
        self._log.flush()

    def _reap(self) -> None:
        for child, status in self._children.reap():
            self._anvil.ended(child.pid)
            self._watchdog.ended(child.pid)
            told_to_end = child.generation != self._generation  # by a reload, which has started the new workers already
            if self._stopping or (told_to_end and child.role.name == "worker"):
                continue
            if not told_to_end:
                self._say(f"process {child.role.name} pid {child.pid} {how_it_ended(status)}", "warning")
            self._children.wait_before_return(child)

    def _next_wait(self) -> float:
        waits = [when - time.monotonic() for when in self._children.waiting.values()]
        return max(min([*waits, self._anvil_wait, LOOK]), 0.0)

    def reload(self) -> None:
        """Serve the configuration as it is now; where that cannot be, go on as before, and say why."""
        try:
            configuration = self._load()
            settings = configuration.view(MasterSettings)
            listeners = self._listeners.rebound(configuration)
            self._log.reopen(configuration)  # before the workers, who inherit it: the file may have been rotated away
        except (ConfigurationError, BindFailure, UnsafeDirectory, OSError, KeyError) as error:
            self._say(f"reload refused, the old configuration keeps running: {error}", "error")
            return
        before = self._configuration, self._settings, self._listeners, self._generation
        self._configuration, self._settings, self._listeners = configuration, settings, listeners
        self._generation = next(self._generations)
        self._import_all(tls=preload.may_use_tls(configuration))
        if not self._new_workers_serve():
            self._children.signal(signal.SIGKILL, generation=self._generation)
            listeners.close_new()
            self._configuration, self._settings, self._listeners, self._generation = before
            self._log.reopen(self._configuration)
            self._say("reload refused, the old configuration keeps running: the workers cannot serve the new one", "error")
            return
        self._children.longest_pause = settings.service_throttle_time
        self._watchdog.limit = settings.worker_watchdog_time
        self._tickets.renew(settings.tls_session_ticket_key_max_age)
        self._say(f"reload -- version {settings.mail_version}, configuration {self._directory}")
        self._say_what_is_missing()
        self._children.signal(signal.SIGUSR1, role="worker", generation=before[-1])
        for role in (_AGENT, _SHOWQ):
            self._children.signal(signal.SIGTERM, role=role.name)
        listeners.close_left_over()

    def _new_workers_serve(self) -> bool:
        """Start the workers of this generation; whether all of them serve."""
        try:
            self._start_workers()
        except OSError as error:
            self._say(f"cannot start a worker: {error.strerror}", "error")
            return False
        return self._wait_until_serving(self._generation)

    def _wait_until_serving(self, generation: int) -> bool:
        """Whether every child of a generation serves, within the patience; False as soon as one of them ends."""
        deadline = time.monotonic() + _RELOAD_PATIENCE
        left = {child.ready for child in self._children.running.values() if child.generation == generation}
        while left and (patience := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select(list(left), [], [], patience)
            if any(not os.read(ready, 1) for ready in readable):
                return False
            left -= set(readable)
        return not left

    def _stop(self) -> int:
        self._say("terminating on signal 15", "")
        self._children.signal(signal.SIGTERM, role="worker")
        self._wait_for("worker")
        self._children.signal(signal.SIGTERM)
        self._wait_for("agent")
        self._children.signal(signal.SIGKILL)
        self._listeners.close()
        return 0

    def _wait_for(self, role: str) -> None:
        deadline = time.monotonic() + _STOP_PATIENCE
        while any(c.role.name == role for c in self._children.running.values()) and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._children.reap()

    def _say_what_is_missing(self) -> None:
        """Warn of what is asked for and not there: perhaps nobody has run `gatepost check`."""
        for text in walls.missing() if walls.planned(self._configuration).files_and_calls else ():
            self._warn(text)
        if preload.may_use_tls(self._configuration) and (why := openssl.why_not()):
            self._warn(
                f"{why}: TLS sessions are resumed in the worker where they began only, and some TLS parameters have no effect"
            )
        for fault in missing(self._configuration):
            self._say(str(fault), "warning")

    def _end_stopped_writer(self) -> None:
        """Whoever is stopped while it writes to the shared state stops all others from doing so."""
        if pid := self._state_watch.look():
            self._say(f"process {pid} is stopped, and keeps others from writing to the shared state: killed", "error")
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _warn(self, text: str) -> None:
        self._say(text, "warning")

    def _say(self, text: str, severity: str = "") -> None:
        self._log.emit(Note("master", text, severity))
        self._log.flush()


def worker_count(settings: MasterSettings) -> int:
    """`worker_processes`, or one per CPU core that this process may use."""
    return settings.worker_processes or len(os.sched_getaffinity(0))
