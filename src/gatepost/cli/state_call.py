"""What `gatepost greylist`, `sts`, `submission` and `tlsrpt` have in common: a call that looks into the shared state. Whatever they
need is imported before, as mail_owner may not be able to read the installation."""

import asyncio
import concurrent.futures.thread  # noqa: F401 (what asyncio.to_thread imports at its first use)
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Self

from gatepost.cli.command import Command, Fatal
from gatepost.service.state_store import folder
from gatepost.state.port import StateUnavailable
from gatepost.state.sqlite_store import SqliteStateStore


class StateCall:
    """One call of a command. `state`: the store, while it is carried out."""

    state: SqliteStateStore

    def __init__(self, command: Command) -> None:
        self.command = command
        self._place = folder(command.value("data_directory"))
        self._size_limit = int(command.value("state_store_size_limit"))

    def carry_out(self, body: Callable[[Self], Awaitable[int]]) -> int:
        """What `body` returns, which runs as mail_owner. Raises Fatal."""
        # Addresses and logins have letters of any script, which not every terminal has.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self.command.become_owner()
        try:
            return asyncio.run(self._within(body))
        except (StateUnavailable, OSError, sqlite3.Error) as error:
            raise Fatal(str(error), logged=False) from None

    async def _within(self, body: Callable[[Self], Awaitable[int]]) -> int:
        self.state = SqliteStateStore(self._place, clock=time.time, warn=self.command.warn, size_limit=self._size_limit)
        try:
            return await body(self)
        finally:
            await self.state.close()
