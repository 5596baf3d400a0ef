"""Requests to the process, by `gatepost acme`: a line each, and two in return, that it has come and what came of it. Who starts the
mail system is answered, and nobody else: an authority counts what is asked of it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Final

from gatepost.service.acme.renewals import LONGEST, Outcome

SOCKET: Final = Path("gatepost") / "acme"
"""Below queue_directory; the row of the role says the same."""
RENEW: Final = "renew"
_BEGUN, _ISSUED, _FAILED = "begun", "issued ", "failed "
_CREDENTIALS: Final = struct.Struct("3i")
_SECONDS: Final = 5.0  # for a request to come, and for an answer to be taken
_MOST: Final = 64  # octets of a request


async def serve_requests(
    listener: socket.socket, users: Collection[int], renew: Callable[[], Awaitable[Outcome]]
) -> asyncio.AbstractServer:
    """Answer on a socket. `users`: user ids of those who are answered."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled it is as the process ends, which the loop would tell as a fault of ours.
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.CancelledError):
            async with asyncio.timeout(_SECONDS):
                asked = await reader.readline()
            if _user(writer) in users and asked == f"{RENEW}\n".encode():
                await _say(writer, _BEGUN)  # raises where it came while no process was there, and the client has gone
                outcome = await renew()
                await _say(writer, f"{_ISSUED if outcome.issued else _FAILED}{outcome.text}")
        writer.close()

    return await asyncio.start_unix_server(answer, sock=listener, limit=_MOST)


def _user(writer: asyncio.StreamWriter) -> int:
    """Who asks (SO_PEERCRED)."""
    told = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(told)[1])


async def _say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(f"{line}\n".encode())
    async with asyncio.timeout(_SECONDS):
        await writer.drain()


def ask_to_renew(queue_directory: Path) -> Outcome:
    """Have a running mail system renew its certificate; returns when it has, or could not. Raises OSError where nobody
    answers, as where ACME was off when the mail system read its configuration."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2 * _SECONDS)
        client.connect(str(queue_directory / SOCKET))
        client.sendall(f"{RENEW}\n".encode())
        begun = client.recv(len(_BEGUN) + 1)
        client.settimeout(LONGEST + 60)
        with client.makefile("r", encoding="utf-8", errors="replace") as answers:
            told = answers.readline().rstrip("\n") if begun else ""
    if not told.startswith((_ISSUED, _FAILED)):
        raise OSError("no answer came: the mail system was reloaded or stopped meanwhile")
    return Outcome(told.startswith(_ISSUED), told.partition(" ")[2])
