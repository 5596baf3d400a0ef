"""A worker: owns whole messages, from the socket to the last recipient. Unprivileged from its first step.

SIGTERM: accept nothing more, let sessions finish their transaction and deliveries their attempt, give the queue partitions up,
end. A worker that is killed loses nothing: what it acknowledged is in the store, and another worker takes the partition over.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping

import uvloop
from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.events.records import Note
from gatepost.net.tls import ServerTls, TlsFailure
from gatepost.receive.smtpd import SmtpdService
from gatepost.service.house import House
from gatepost.service.listeners import Listener
from gatepost.service.log import Log
from gatepost.service.pickup import Pickup
from gatepost.service.smtpd import open_service

_DRAIN = 6.0  # seconds for sessions to finish their transaction


class Inheritance(Struct, frozen=True):
    """What the supervisor leaves to a worker: configuration, bound sockets, the TLS of each service (by ServiceEntry.key), the log,
    and the pipe to say that it serves."""

    configuration: Configuration
    listeners: tuple[Listener, ...]
    tls: Mapping[str, ServerTls | TlsFailure | None]
    log: Log
    number: int
    ready: int


def run(inheritance: Inheritance) -> None:
    """Live as a worker until told to stop."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(inheritance))


async def _live(inheritance: Inheritance) -> None:
    loop = asyncio.get_running_loop()
    log = inheritance.log
    log.on_first = lambda: loop.call_soon(log.flush)
    told_to_stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told_to_stop.set)
    house = House(inheritance.configuration, log)
    try:
        async with asyncio.TaskGroup() as group:
            stop_serving = await _serve(house, inheritance)
            house.start(group)
            pickup = group.create_task(Pickup(house).run())
            os.write(inheritance.ready, b"\n")
            await told_to_stop.wait()
            pickup.cancel()
            await stop_serving()
            await house.stop()
            raise _Stop
    except* _Stop:
        pass
    finally:
        house.close()
        log.flush()


class _Stop(Exception):
    """Ends the task group of a worker that was told to stop."""


async def _serve(house: House, inheritance: Inheritance) -> Callable[[], Awaitable[None]]:
    """Accept connections on every listener; returns how to stop that."""
    loop = asyncio.get_running_loop()
    services: dict[str, SmtpdService] = {}
    servers: list[asyncio.AbstractServer] = []
    for listener in inheritance.listeners:
        entry = listener.entry
        service = services.get(entry.key)
        if service is None:
            service = services[entry.key] = open_service(house, entry, inheritance.tls.get(entry.key))
        if listener.address.path:
            server = await loop.create_unix_server(service.protocol, sock=listener.socket)
        else:
            server = await loop.create_server(service.protocol, sock=listener.socket)
        servers.append(server)

    async def stop() -> None:
        for server in servers:
            server.close()
        for result in await asyncio.gather(*(s.drain(_DRAIN) for s in services.values()), return_exceptions=True):
            if isinstance(result, Exception):
                house.emit(Note("smtpd", f"session cut off: {result!r}", "warning"))
        with contextlib.suppress(OSError):
            os.close(inheritance.ready)

    return stop
