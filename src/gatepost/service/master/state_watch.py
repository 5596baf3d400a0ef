"""Who keeps others from writing to the shared state, because it was stopped (SIGSTOP, a debugger) while it did so itself.

The lock of the writer names its holder, whichever process that is: a worker, or a tool that somebody put to sleep. Of a worker that
is killed nothing is lost that was acknowledged.
"""

import os
from collections.abc import Callable
from pathlib import Path

from gatepost.service.master.watchdog import process_state
from gatepost.service.privileges import owner_of
from gatepost.service.settings import MasterSettings
from gatepost.service.state_store import folder
from gatepost.state.writer_lock import holder_of

_STOPPED = "Tt"  # states of proc(5): stopped, traced


class StateWatch:
    """To be asked every second.

    - `settings`: those of now, which a reload changes;
    - `holder`: the process that writes to the store in a folder, 0 for none;
    - `state`: of a process, a letter of proc(5);
    - `owner`: the user id of a process, None where there is none.
    """

    def __init__(
        self,
        settings: Callable[[], MasterSettings],
        holder: Callable[[Path], int] = holder_of,
        state: Callable[[int], str] = process_state,
        owner: Callable[[int], int | None] = owner_of,
    ) -> None:
        self._settings = settings
        self._holder = holder
        self._state = state
        self._owner = owner
        self._seen = 0

    def look(self) -> int:
        """The process to be ended: it was stopped and held the lock at this look and at the one before, and it is no more than what
        the owner of the store could end as well, who could have made anybody look like this. 0 for none."""
        store = folder(self._settings().data_directory)
        pid = self._holder(store)
        if not pid or self._state(pid) not in _STOPPED or self._owner(pid) != _owner_of(store):
            self._seen = 0
            return 0
        before, self._seen = self._seen, pid
        return pid if pid == before else 0


def _owner_of(store: Path) -> int | None:
    try:
        return os.lstat(store).st_uid  # of a link, whoever made it
    except OSError:
        return None
