"""The supervisor (master(8)): binds the ports, starts a child for each role (roles.py), and keeps them there. Parses no mail.

Contract
- Listening sockets live here and are inherited by every worker, so that a worker can die or be replaced without one refused
  connection. Opening the log, binding low ports and starting the agent are all that root is needed for.
- SIGHUP: read the configuration again. A bad one is refused, by name, and the old one keeps running. A good one gets new
  children of all roles; when they serve, the old ones are told to finish; where they do not, the old ones stay. Whatever breaks
  before that leaves the old configuration whole: ports, log and children.
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
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from gatepost.config.accounts import accounts_that_are_refused
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.usage import missing
from gatepost.events.records import Note
from gatepost.net import openssl
from gatepost.service import privileges
from gatepost.service.faults import Faults
from gatepost.service.inheritance import Inheritance
from gatepost.service.log import Log
from gatepost.service.master import certificate_files, first_steps, pid_file, preload
from gatepost.service.master.anvil import Anvil
from gatepost.service.master.certificate_files import CertificateFiles
from gatepost.service.master.children import Children, Instance, how_it_ended
from gatepost.service.master.directories import UnsafeDirectory, create_missing
from gatepost.service.master.listeners import BindFailure, Listeners
from gatepost.service.master.state_watch import StateWatch
from gatepost.service.master.ticket_secrets import TicketSecrets
from gatepost.service.master.watchdog import LOOK, Watchdog
from gatepost.service.pulse import Pulse
from gatepost.service.roles import ROLES, Role
from gatepost.service.settings import MasterSettings
from gatepost.service.unseen import load_to_serve
from gatepost.service.walls import walls
from gatepost.state.guesses import GuessTables

_SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_STOP_PATIENCE = 10.0  # seconds for children to finish before they are killed; nothing acknowledged is lost by that
_FAULT_PAUSE = 1.0  # seconds before the next try after a fault of ours, or a fork that failed
_RELOAD_PATIENCE = 20.0  # seconds for new children to serve before a reload is given up


_REFUSALS = (ConfigurationError, BindFailure, UnsafeDirectory, OSError, KeyError)
"""What a reload is refused for."""


class StartFailure(Exception):
    """The mail system cannot start; the text says what to do."""


class Serving(Struct, frozen=True):
    """What the supervisor serves. `generation` counts reloads, those that were given up among them."""

    configuration: Configuration
    settings: MasterSettings
    listeners: Listeners
    generation: int


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
        self._generations = itertools.count(1)
        self._stopping = False
        self._anvil_wait = 0.0
        self._tickets = TicketSecrets()
        self._certificates = CertificateFiles(time.monotonic, self._warn)
        self._pid = os.getpid()
        configuration = self._load()
        settings = configuration.view(MasterSettings)
        self._serving = Serving(configuration, settings, Listeners(), 0)
        self._children.longest_pause = settings.service_throttle_time
        self._watchdog = Watchdog(settings.worker_watchdog_time)
        self._state_watch = StateWatch(lambda: self._serving.settings)

    def run(self, on_serving: Callable[[], object] = lambda: None) -> int:
        """Run until told to stop; returns the exit status. `on_serving` is called once every port is served.
        Raises StartFailure, ConfigurationError."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._import_all(**preload.needs(self._serving.configuration))  # before the ports: who connects is greeted at once
        self.open()
        serving = self._serving
        self._say(f"daemon started -- version {serving.settings.mail_version}, configuration {self._directory}")
        self._say_what_is_missing()
        gc.collect()
        gc.freeze()  # what is shared with the children stays shared: the collector must not touch it
        self._certificates.watch(certificate_files.look(serving.configuration))
        self._start(ROLES)
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
        settings, configuration = self._serving.settings, self._serving.configuration
        queue = Path(settings.queue_directory)
        try:
            privileges.leave_no_core()
            create_missing(settings)
            self._lock = pid_file.take(queue)
            self._log = Log(configuration)
            self._tickets.open(queue, settings.tls_session_ticket_key_max_age, self._warn)
            self._anvil, self._guess_tables = Anvil(worker_count(settings)), GuessTables()
            self._serving.listeners.bind(configuration)
        except pid_file.AlreadyRunning:
            raise StartFailure("the Postfix mail system is already running") from None
        except KeyError as error:
            raise StartFailure(error.args[0]) from error
        except (OSError, BindFailure, UnsafeDirectory) as error:
            raise StartFailure(str(error)) from error

    def close(self) -> None:
        """Give up the ports and the queue directory; no child is left."""
        self._serving.listeners.close()
        os.close(self._lock)

    def _load(self) -> Configuration:
        """The configuration as it stands now. Raises ConfigurationError."""
        configuration = load_to_serve(self._directory)
        if os.geteuid() == 0 and not self._demo and (faults := tuple(accounts_that_are_refused(configuration))):
            raise ConfigurationError(faults)
        return configuration

    def _start(self, roles: Iterable[Role]) -> None:
        """Start all children of some roles. Raises OSError."""
        for role in (role for role in roles if role.is_wanted(self._serving.configuration)):
            for number in range(worker_count(self._serving.settings) if role.many else 1):
                self._fork(Instance(role, number))

    def _fork(self, instance: Instance) -> None:
        role, pulse = instance.role, Pulse() if instance.role.in_loop else None
        child = self._children.fork(instance, self._serving.generation, lambda ready: self._child(role, ready, pulse))
        if pulse is not None:
            self._anvil.seated(child.pid)
            self._watchdog.watch(child.pid, pulse)

    def _child(self, role: Role, ready: int, pulse: Pulse | None) -> None:
        """In a child: what is the supervisor's own is given up, and the rest handed over."""
        os.close(self._lock)
        self._watchdog.forget_all()
        configuration = self._serving.configuration
        listeners, sockets = self._serving.listeners.left_to(role)
        inheritance = Inheritance(
            configuration,
            listeners,
            sockets,
            self._log,
            Faults(self._log, role.name),
            counters=lambda: self._anvil.counters(configuration, self._log.emit),
            guess_tables=self._guess_tables,
            secrets=self._tickets.read,
            pulse=pulse,
            ready=ready,
        )
        first_steps.live(role, inheritance, self._serving.settings.mail_owner, self._pid)

    def _handle(self, info: signal.struct_siginfo | None) -> None:
        number = info.si_signo if info else None
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
        elif number == signal.SIGHUP:
            self.reload()
        self._reap()
        for pid, place in self._watchdog.stuck(time.monotonic()):
            name = self._children.running[pid].instance.role.name
            self._say(f"process {name} pid {pid}: its event loop is stuck, killed and started again: at {place}", "error")
            os.kill(pid, signal.SIGKILL)
        self._end_stopped_writer()
        self._tickets.look()
        if self._certificates.renewed(self._serving.configuration):
            self._say("certificates were renewed: new workers take them up")
            self._replace(self._serving.configuration)
        for instance in self._children.due():
            if instance.role.is_wanted(self._serving.configuration):
                self._fork(instance)
            else:
                del self._children.waiting[instance]
        self._anvil_wait = self._anvil.look(self._serving.configuration, self._log.emit)
        self._log.flush()

    def _reap(self) -> None:
        for child, status in self._children.reap():
            self._anvil.ended(child.pid)
            self._watchdog.ended(child.pid)
            told_to_end, role = child.generation != self._serving.generation, child.instance.role
            if self._stopping or told_to_end:
                continue
            self._say(f"process {role.name} pid {child.pid} {how_it_ended(status)}", "warning")
            self._children.wait_before_return(child)

    def _next_wait(self) -> float:
        waits = [when - time.monotonic() for when in self._children.waiting.values()]
        return max(min([*waits, self._anvil_wait, LOOK]), 0.0)

    def reload(self) -> None:
        """Serve the configuration as it is now; where that cannot be, go on as before, and say why. Raises what nobody expected,
        when all is as before."""
        try:
            configuration = self._load()
        except _REFUSALS as error:
            self._refuse(str(error))
            return
        self._replace(configuration)

    def _replace(self, configuration: Configuration) -> None:
        """Have other workers serve by this configuration; the same one where what it names has changed."""
        before = self._serving
        try:
            settings = configuration.view(MasterSettings)
            listeners = before.listeners.rebound(configuration)
        except _REFUSALS as error:
            self._refuse(str(error))
            return
        self._serving = Serving(configuration, settings, listeners, next(self._generations))
        try:
            certificates = certificate_files.look(configuration)
            self._log.reopen(configuration)  # before the workers, who inherit it: the file may have been rotated away
            self._import_all(**preload.needs(configuration))
            why = "" if self._new_ones_serve() else "the workers cannot serve the new one"
        except _REFUSALS as error:
            why = str(error)
        except BaseException:
            self._go_back(before)
            raise
        if why:
            self._go_back(before)
            self._refuse(why)
        else:
            self._certificates.watch(certificates)
            self._leave(before)

    def _refuse(self, why: str) -> None:
        self._say(f"reload refused, the old configuration keeps running: {why}", "error")

    def _go_back(self, before: Serving) -> None:
        """Give up what the new configuration brought."""
        given_up, self._serving = self._serving, before
        self._children.signal(signal.SIGKILL, generation=given_up.generation)
        given_up.listeners.close_new()
        try:
            self._log.reopen(before.configuration)
        except (ConfigurationError, OSError) as error:
            self._say(f"the log stays where it is: {error}", "error")

    def _leave(self, before: Serving) -> None:
        """The new configuration is served: have nobody go on with the one before."""
        settings = self._serving.settings
        self._children.longest_pause = settings.service_throttle_time
        self._watchdog.limit = settings.worker_watchdog_time
        self._tickets.renew(settings.tls_session_ticket_key_max_age)
        self._say(f"reload -- version {settings.mail_version}, configuration {self._directory}")
        self._say_what_is_missing()
        self._children.signal(signal.SIGUSR1, generation=before.generation)
        self._serving.listeners.close_left_over()

    def _new_ones_serve(self) -> bool:
        """Start the children of this configuration; whether all of them serve. The old ones go on until then."""
        try:
            self._start(ROLES)
        except OSError as error:
            self._say(f"cannot start a process: {error.strerror}", "error")
            return False
        return self._wait_until_serving(self._serving.generation)

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
        for _, roles in itertools.groupby(sorted(ROLES, key=_stop_order), key=_stop_order):
            ending = tuple(roles)
            self._children.signal(signal.SIGTERM, roles=ending)
            self._wait_for(ending)
        self._children.signal(signal.SIGKILL)
        self._serving.listeners.close()
        return 0

    def _wait_for(self, roles: tuple[Role, ...]) -> None:
        deadline = time.monotonic() + _STOP_PATIENCE
        while any(child.instance.role in roles for child in self._children.running.values()) and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._children.reap()

    def _say_what_is_missing(self) -> None:
        """Warn of what is asked for and not there: perhaps nobody has run `gatepost check`."""
        configuration = self._serving.configuration
        for text in walls.missing() if walls.wanted(configuration) else ():
            self._warn(text)
        if preload.may_use_tls(configuration) and (why := openssl.why_not()):
            self._warn(
                f"{why}: TLS sessions are resumed in the worker where they began only, and some TLS parameters have no effect"
            )
        for fault in missing(configuration):
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


def _stop_order(role: Role) -> int:
    return role.stop


def worker_count(settings: MasterSettings) -> int:
    """`worker_processes`, or one per CPU core that this process may use."""
    return settings.worker_processes or len(os.sched_getaffinity(0))
