"""Connections to a listening socket that other processes accept from as well: the agent before, and after, a reload."""

import select
import socket
import time
from collections.abc import Callable, Iterator

_PAUSE = 0.1  # seconds after a failure to accept


def arrivals(listener: socket.socket, over: int, tell: Callable[[str], object]) -> Iterator[socket.socket]:
    """Each connection, until the descriptor `over` is readable. `tell` hears of what keeps us from accepting."""
    listener.setblocking(False)
    while (connection := _next(listener, over, tell)) is not None:
        yield connection


def _next(listener: socket.socket, over: int, tell: Callable[[str], object]) -> socket.socket | None:
    while over not in readable(listener.fileno(), over):
        try:
            return listener.accept()[0]
        except BlockingIOError:
            continue  # another process has it, or the client has gone again
        except OSError as error:  # no descriptors
            tell(f"accept connection: {error}")
            time.sleep(_PAUSE)
    return None


def readable(*descriptors: int) -> set[int]:
    """Wait for one of them to have something to read or to be closed; returns those that do."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll()}
