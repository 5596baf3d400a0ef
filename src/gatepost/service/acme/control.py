"""Requests to the process, by `gatepost acme`: one line each, and one line in return. Who starts the mail system is answered, and
nobody else: an authority counts what is asked of it."""

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
_ISSUED, _FAILED = "issued ", "failed "
_CREDENTIALS: Final = struct.Struct("3i")
_SECONDS: Final = 5.0  # for a request to come, and for an answer to be taken
_MOST: Final = 64  # octets of a request


async def serve_requests(
    listener: socket.socket, users: Collection[int], renew: Callable[[], Awaitable[Outcome]]
) -> asyncio.AbstractServer:
    """Answer on a socket. `users`: user ids of those who are answered."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            _, uid, _ = _CREDENTIALS.unpack(
                writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            async with asyncio.timeout(_SECONDS):
                asked = await reader.readline()
            if uid in users and asked == f"{RENEW}\n".encode():
                outcome = await renew()
                writer.write(f"{_ISSUED if outcome.issued else _FAILED}{outcome.text}\n".encode())
                async with asyncio.timeout(_SECONDS):
                    await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(answer, sock=listener, limit=_MOST)


def ask_to_renew(queue_directory: Path) -> Outcome:
    """Have a running mail system renew its certificate; returns when it has, or could not. Raises OSError where nobody answers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LONGEST + 60)
        client.connect(str(queue_directory / SOCKET))
        client.sendall(f"{RENEW}\n".encode())
        with client.makefile("r", encoding="utf-8", errors="replace") as answers:
            told = answers.readline().rstrip("\n")
    if not told.startswith((_ISSUED, _FAILED)):
        raise OSError("no answer came: the mail system was reloaded or stopped meanwhile")
    return Outcome(told.startswith(_ISSUED), told.partition(" ")[2])
