"""The tables of the clients' passwords (smtp_sasl_password_maps), which often root alone may read.

Workers take them before they give up root's rights (lookup/root_files.py). A table that is built, or read from its text until then
(hash: and its kin), is looked at again once it has changed, as in Postfix: the agent reads it.

Failure: what was read before stands until the next reload, and the log says so.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.config.configuration import Configuration
from gatepost.config.parameters.lmtp import lmtp_name
from gatepost.deliver.privileged import Answer, Done, ReadTable
from gatepost.lookup import root_files
from gatepost.lookup.indexed import SUFFIX as BUILT
from gatepost.lookup.root_files import Identity

_PATH: Final = re.compile(r":(/[^\s,{}]+)")
"""What a table of a list is read from."""

_PAUSE: Final = 1.0
"""Seconds between two looks at the files: as long as a table that everybody may read takes to see a change."""


def password_files(configuration: Configuration) -> list[str]:
    """The files of the tables, built or not."""
    names = ("smtp_sasl_password_maps", lmtp_name("smtp_sasl_password_maps"))
    settings = (None, *(entry.overrides for entry in configuration.services))
    values = [configuration.value(name, overrides) for name in names for overrides in settings]
    found = dict.fromkeys(path for value in values for path in _PATH.findall(value))
    return [file for path in found for file in (path, path + BUILT)]


class PasswordTables:
    """Watches the files of a worker. `ask`: the agent; `warn`: is told what cannot be read, once for each change."""

    def __init__(self, files: list[str], ask: Callable[[ReadTable], Awaitable[Answer]], warn: Callable[[str], None]) -> None:
        self._files = files
        self._ask = ask
        self._warn = warn
        self._refused: dict[str, Identity] = {}

    async def run(self) -> None:
        """For as long as the worker lives."""
        while self._files:
            await asyncio.sleep(_PAUSE)
            await self.look()

    async def look(self) -> None:
        """Take what has changed."""
        for path, identity in root_files.changed(self._files):
            if self._refused.get(path) == identity:
                continue
            answer = await self._ask(ReadTable(path))
            if isinstance(answer, Done):
                root_files.put(path, identity, answer.data)
            elif not answer.unseen:  # else the agent is away for a moment
                self._refused[path] = identity
                self._warn(f"{path} has changed: {answer.text}: what was read before stands until the next reload")
