"""What users who may not read the queue's files ask of it: a listing, or to have mail tried now (postqueue(1)).

As with Postfix, `public/showq` lists to whoever connects, and `public/flush` takes one request (showq(8), flush(8)); both speak
Postfix's protocol, so that its clients and exporters of metrics are served too. Who asks is told by the kernel.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatepost.proto.attributes import ProtocolError, Reader, Record, record
from gatepost.queue.inspect import ListedMessage
from gatepost.queue.listing_attributes import from_attributes

SHOWQ, FLUSH = Path("public") / "showq", Path("public") / "flush"
FLUSH_PROTOCOL = record(("protocol", "queue_flush_protocol"))
"""What the flush service says first."""

OK, BAD, DENIED = "0", "3", "4"
"""`status` of its reply."""

LONGEST_REQUEST = 4096
LONGEST_RECORD = 1 << 26  # octets: a message of half a million recipients
_PATIENCE = 60.0  # seconds without an octet
_CHUNK = 65536


class Refused(Exception):
    """The request is not granted; the text says why."""


def refusal(text: str) -> bytes:
    """How either service says that it does not do what was asked."""
    return record(("status", DENIED), ("reason", text))


def listed(queue_directory: Path) -> Iterator[ListedMessage]:
    """The queue, message by message. Raises Refused; OSError where nobody answers; ProtocolError for no listing at all."""
    with _connected(queue_directory / SHOWQ) as connection:
        yield from from_attributes(_granted(_records(connection)))


def flush(queue_directory: Path, *request: tuple[str, str]) -> None:
    """Have mail tried now: `request` is purge (all of it), send_file with a queue_id, or send_site with a site. Raises Refused,
    OSError, ProtocolError."""
    with _connected(queue_directory / FLUSH) as connection:
        answers = _granted(_records(connection))
        if record(*next(answers, ())) != FLUSH_PROTOCOL:
            raise ProtocolError("not the flush service")
        connection.sendall(record(*request))
        if dict(next(answers, ())).get("status") != OK:
            raise ProtocolError("the request was not understood")


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(str(path))
        yield connection


def _records(connection: socket.socket) -> Iterator[Record]:
    """Records until the other end hangs up. Raises ProtocolError where that is in the middle of one."""
    reader = Reader(LONGEST_RECORD)
    while octets := connection.recv(_CHUNK):
        yield from reader.feed(octets)
    if reader.pending:
        raise ProtocolError("the connection was lost")


def _granted(records: Iterator[Record]) -> Iterator[Record]:
    """The same, unless it is a refusal."""
    for one in records:
        told = dict(one[:2])
        if told.get("status") == DENIED:
            raise Refused(told.get("reason", "not allowed"))
        yield one
