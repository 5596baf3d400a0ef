"""What the supervisor leaves to a child of whatever role (roles.py), and what a child is to it: a body and a life."""

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.net.tickets import Secret
from gatepost.service.faults import Faults
from gatepost.service.log import Log
from gatepost.service.pulse import Pulse
from gatepost.state.guesses import GuessTables
from gatepost.state.port import Counters


class Listener(Struct, frozen=True):
    """A bound socket and the master.cf entry that it serves."""

    entry: ServiceEntry
    socket: socket.socket


class Inheritance(Struct, frozen=True):
    """What a child is left.

    configuration: that of its generation.
    listeners: bound sockets of master.cf's services; none where the role does not serve them.
    sockets: those of the role itself, by their path below queue_directory.
    log: open already.
    faults: whom to tell of what nobody expected to be raised.
    counters: the counters of clients, to be asked for once, in the child.
    guess_tables: what all workers know of guessed passwords.
    secrets: those of session tickets, which all workers share.
    pulse: what shows that its event loop turns, where the role has one.
    ready: a pipe; to be written to when it serves.
    """

    configuration: Configuration
    listeners: tuple[Listener, ...]
    sockets: Mapping[Path, socket.socket]
    log: Log
    faults: Faults
    counters: Callable[[], Counters]
    guess_tables: GuessTables
    secrets: Callable[[], Sequence[Secret]]
    pulse: Pulse | None
    ready: int


Life = Callable[[], None]
"""What a child does, from its first step with the rights of its role until it is told to stop."""

Body = Callable[[Inheritance], Life]
"""What a child does before, with the rights of the supervisor: what root alone can read is read here, and nothing of a sender's."""
