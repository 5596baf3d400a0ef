"""A worker: owns whole messages, from the socket to the last recipient. Unprivileged from its first step.

SIGTERM: accept nothing more, let sessions finish their transaction and deliveries their attempt, give the queue partitions up,
end. SIGUSR1 (a reload): the partitions are handed over at once, but for the deliveries under way; sessions may go on until their
clients leave, and deliveries until they end, for a while. One that does not serve yet ends at once. A worker that is killed loses
nothing: what it acknowledged is in the store, and another worker takes the partition over.
"""

import asyncio
import contextlib
import functools
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name
from typing import Protocol, runtime_checkable

import uvloop

from gatepost.config.configuration import ConfigurationError
from gatepost.config.master import ServiceEntry
from gatepost.config.programs import program
from gatepost.events.records import Emit, Note
from gatepost.lookup import root_files
from gatepost.net import openssl_configuration
from gatepost.net.tls import ServerTls
from gatepost.net.tls_parameters import TlsFailure
from gatepost.receive.session_limit import Part, SessionLimit
from gatepost.service.authentication import parameter_files
from gatepost.service.composition import Composition
from gatepost.service.first_of import first_of
from gatepost.service.inheritance import Inheritance, Life, Listener
from gatepost.service.materials import Materials, gather
from gatepost.service.password_tables import password_files
from gatepost.service.pulse import Heart
from gatepost.service.smtpd import load_tls
from gatepost.service.ways import WayIn
from gatepost.state.port import Counters


class Service(Protocol):
    """What serves the connections of one line of master.cf."""

    def protocol(self) -> asyncio.BaseProtocol:
        """A new connection's protocol."""
        ...

    async def idle(self) -> None:
        """Return when there is no connection."""
        ...

    async def drain(self, deadline: float) -> None:
        """End all connections in an orderly way, in at most `deadline` seconds."""
        ...


@runtime_checkable
class HandsOver(Protocol):
    """A service whose clients another one takes over (postscreen)."""

    def find_successor(self, services: Mapping[str, Service]) -> None:
        """`services`: all of this worker, by ServiceEntry.key. Raises ConfigurationError where there is none for its clients."""
        ...


ServiceBuilder = Callable[[Materials, WayIn, ServiceEntry, ServerTls | TlsFailure | None, SessionLimit], Service]

ServicesTls = Mapping[str, ServerTls | TlsFailure | None]
"""The TLS of each service, by ServiceEntry.key."""

_DRAIN = 6.0  # seconds for sessions to finish their transaction when we stop
_SETTLING = 0.5  # seconds until what was accepted last is a session, which may go on
_RETIREMENT = 30.0  # seconds for clients to leave by themselves after a reload
_LONG_DRAIN = 300.0  # seconds for sessions to finish their transaction after that
_LONG_DELIVERY = 600.0  # seconds for deliveries to hear how they ended: smtp_data_done_timeout


def prepare(inheritance: Inheritance) -> Life:
    """A Body: reads certificates, keys and passwords, which root alone may."""
    configuration, log = inheritance.configuration, inheritance.log
    root_files.take((*password_files(configuration), *parameter_files(configuration)))
    if why := openssl_configuration.configure(configuration.view(openssl_configuration.OpensslSettings)):
        log.emit(Note("smtpd", f"{why}: TLS is disabled", "warning"))
    tls = {
        listener.entry.key: load_tls(configuration, listener.entry, log.emit, inheritance.secrets)
        for listener in inheritance.listeners
    }
    return functools.partial(_run, inheritance, tls, inheritance.counters())


def _run(inheritance: Inheritance, tls: ServicesTls, counters: Counters) -> None:
    """Live as a worker until told to stop."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not runner.run(_live(inheritance, tls, counters)):
            sys.exit(1)


async def _live(inheritance: Inheritance, tls: ServicesTls, counters: Counters) -> bool:
    """Serve until told to stop; False where the configuration cannot be served, which the log has then."""
    loop = asyncio.get_running_loop()
    log = inheritance.log
    inheritance.faults.watch_loop(loop)
    log.gather(loop.call_later)
    stop, retire = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, retire.set)
    materials = gather(inheritance.configuration, log, counters, inheritance.guess_tables, inheritance.faults.tell)
    rooms = Composition(materials)
    assert inheritance.pulse is not None, "the row of this role says in_loop"
    heart = Heart(inheritance.pulse, log.emit)
    try:
        async with asyncio.TaskGroup() as group:
            serving = await _serve(rooms, inheritance.listeners, tls)
            rooms.start(group)
            pickups = rooms.take_in(group)
            os.write(inheritance.ready, b"\n")
            heart.start(loop)
            await first_of(stop.wait(), retire.wait())
            for pickup in pickups:
                pickup.cancel()
            serving.close()
            if not stop.is_set():
                await first_of(stop.wait(), rooms.hand_over())
                await first_of(stop.wait(), asyncio.sleep(_SETTLING))
                await first_of(stop.wait(), serving.sessions_over(), asyncio.sleep(_RETIREMENT))
            await serving.drain(_DRAIN if stop.is_set() else _LONG_DRAIN)
            with contextlib.suppress(OSError):
                os.close(inheritance.ready)
            if not stop.is_set():
                await first_of(stop.wait(), rooms.wind_down(), asyncio.sleep(_LONG_DELIVERY))
            await rooms.stop()
            raise _Stop
    except* _Stop:
        served = True
    except* ConfigurationError as group:
        served = False
        for error in group.exceptions:
            materials.emit(Note("smtpd", str(error), "fatal"))
    finally:
        heart.stop()
        rooms.close()
        log.end()
    return served


class _Stop(Exception):
    """Ends the task group of a worker that was told to stop."""


class _Serving:
    """The services of a worker and what accepts connections for them."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.services: dict[str, Service] = {}
        self.servers: list[asyncio.AbstractServer] = []

    def close(self) -> None:
        """Accept nothing more."""
        for server in self.servers:
            server.close()

    async def sessions_over(self) -> None:
        """Return when no session is left."""
        for service in self.services.values():
            await service.idle()

    async def drain(self, patience: float) -> None:
        """End all sessions, idle ones at once and the others after their transaction, for at most `patience` seconds."""
        ends = (service.drain(patience) for service in self.services.values())
        for result in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(result, Exception):
                self._emit(Note("smtpd", f"session cut off: {result!r}", "warning"))


async def _serve(rooms: Composition, listeners: Sequence[Listener], tls: ServicesTls) -> _Serving:
    """Accept connections on every listener."""
    loop = asyncio.get_running_loop()
    serving = _Serving(rooms.materials.emit)
    limit = SessionLimit(_descriptors() // 2)  # the other half is for deliveries, tables and the queue
    for entry in {listener.entry.key: listener.entry for listener in listeners}.values():
        room = _room(entry, limit, rooms.materials.settings.default_process_limit)
        serving.services[entry.key] = _builder(entry)(rooms.materials, rooms.way_in, entry, tls.get(entry.key), room)
    for service in serving.services.values():
        if isinstance(service, HandsOver):
            service.find_successor(serving.services)
    for listener in listeners:
        accept = loop.create_unix_server if listener.socket.family == socket.AF_UNIX else loop.create_server
        serving.servers.append(await accept(serving.services[listener.entry.key].protocol, sock=listener.socket))
    return serving


def _room(entry: ServiceEntry, limit: SessionLimit, default: int) -> SessionLimit:
    """What a line may have of the room. Programs that ask for advice keep their connections; they must not take that of mail."""
    if not program(entry.program).advises:
        return limit
    most = default if entry.process_limit is None else entry.process_limit
    return Part(most or limit.most, limit)


def _builder(entry: ServiceEntry) -> ServiceBuilder:
    """Who puts together the service of a line on which clients are served (config/programs.py)."""
    build: ServiceBuilder = resolve_name(program(entry.program).builder)
    return build


def _descriptors() -> int:
    """How many files and connections this process may have open: as many as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
