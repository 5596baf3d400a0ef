"""The scanner's end of a connection: read one message, turn it into facts within the time limit, answer.

Its own alarm ends the process where a message takes too long, whatever it is at: the kernel's, which no hanging call outlives. It
counts the processor's time; a worker that does not send is given up after a while.
"""

import signal
import socket
from collections.abc import Callable
from typing import Final

from gatepost.filter.facts import Facts, Request
from gatepost.service.scanner import frames

Scan = Callable[[bytes, Request], Facts]

_PATIENCE: Final = 20.0
"""Seconds for a worker to send or take something."""


def arm() -> None:
    """Let the alarm end this process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def serve(connection: socket.socket, scan: Scan, time_limit: float, most: int, patience: float | None = _PATIENCE) -> None:
    """Answer one question over `connection`. `time_limit`: seconds of the processor's; `most`: octets of a message, 0 for any;
    `patience`: seconds to wait for whoever asks, None for good. Raises OSError where he has gone or says nothing, MemoryError."""
    connection.settimeout(patience)
    head, size = frames.QUESTION.unpack(exactly(connection, frames.QUESTION.size))
    if head > frames.MOST_REQUEST or (most and size > most):
        connection.sendall(frames.failure(f"a message of {size} octets is too large to be scanned"))
        return
    signal.setitimer(signal.ITIMER_PROF, time_limit)
    try:
        request = frames.asked(exactly(connection, head))
        answer = frames.answer(scan(exactly(connection, size), request))
    except frames.Garbage as garbage:
        answer = frames.failure(str(garbage))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    connection.sendall(answer)


def exactly(connection: socket.socket, count: int) -> bytes:
    """`count` octets. Raises OSError, also where it ends before."""
    received = bytearray(count)
    view, got = memoryview(received), 0
    while got < count:
        piece = connection.recv_into(view[got:])
        if not piece:
            raise ConnectionError("the connection ended")
        got += piece
    return bytes(received)
