"""The worker's end: a connection a message, over which a scanner that is idle answers.

Whatever goes wrong is ScanFailed: no scanner there, one that crashed or was killed (its connection ends), hangs, answers nonsense
or without end. A worker has a number of messages with scanners, others wait their turn; the deadline is for both together.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from gatepost.filter.facts import Facts, Request
from gatepost.filter.scanning import ScanFailed
from gatepost.mail.content import Content
from gatepost.service.scanner import frames

SCANNER_SOCKET: Final = Path("gatepost") / "scanner"
"""Below queue_directory."""
_AT_ONCE: Final = 32
"""Messages of one worker that are with scanners or wait for them in the socket's queue, which all workers share."""


class ScannerClient:
    """Scans messages over the socket at `path`, each within `deadline` seconds."""

    def __init__(self, path: Path, deadline: float) -> None:
        self._path = str(path)
        self._deadline = deadline
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def scan(self, request: Request, content: Content) -> Facts:
        """Of Scanning."""
        try:
            async with asyncio.timeout(self._deadline), self._turns:
                return await self._scan(request, content)
        except TimeoutError:
            raise ScanFailed(f"no answer within {self._deadline:g} seconds") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise ScanFailed("the scanner ended without an answer: a limit of time or memory, or a crash") from None
        except OSError as error:
            raise ScanFailed(f"{self._path}: {error.strerror or error}") from None
        except frames.Garbage as garbage:
            raise ScanFailed(f"the scanner answered nonsense: {garbage}") from None

    async def _scan(self, request: Request, content: Content) -> Facts:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(frames.question(request, content.size))
            for chunk in content.chunks():
                writer.write(chunk)
                await writer.drain()
            are_facts, size = frames.coming(await reader.readexactly(frames.ANSWER.size))
            octets = await reader.readexactly(size)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if not are_facts:
            raise ScanFailed(octets.decode("utf-8", "replace"))
        return frames.facts(octets)
