"""What users who may not read the queue's files ask of it: a listing, or to have mail tried now (postqueue(1)).

One request on a connection to `public/showq`: a line of JSON. The answer begins with a line, empty where the request is granted,
else why not; then comes the listing, until the end of the connection. Who asks is told by the kernel, not by the request.
"""

import enum
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

SOCKET = Path("public") / "showq"
TIME_LIMIT = 60.0
"""Seconds that either side waits for the other."""

LONGEST_REQUEST = 4096
_CHUNK = 65536


class Kind(enum.Enum):
    """What is asked for; the letters are postqueue(1)'s options."""

    LIST = "p"
    JSON = "j"
    FLUSH = "f"
    FLUSH_MESSAGE = "i"
    FLUSH_SITE = "s"


class Request(Struct, frozen=True):
    """`argument`: the queue id or site to flush."""

    kind: Kind
    argument: str = ""


class Refused(Exception):
    """The request is not granted; the text says why."""


def ask(queue_directory: Path, request: Request) -> Iterator[bytes]:
    """The answer to a request, chunk by chunk. Raises Refused, OSError where nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIME_LIMIT)
        connection.connect(str(queue_directory / SOCKET))
        connection.sendall(msgspec.json.encode(request) + b"\n")
        with connection.makefile("rb") as answer:
            line = answer.readline(LONGEST_REQUEST)
            if line != b"\n":
                raise Refused(line.decode("utf-8", "replace").strip() or "lost connection")
            while chunk := answer.read(_CHUNK):
                yield chunk
