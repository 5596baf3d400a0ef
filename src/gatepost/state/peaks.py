"""The highest counts and rates since they were last told (anvil(8), `anvil_status_update_time`): shared memory, too."""

import fcntl
import struct
import time
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from gatepost.state.memory import shared
from gatepost.state.port import Rate

Counted = Rate | str
CONNECTIONS: Final = "connections"
CACHE: Final = "cache"

_WORDS: Final[dict[Counted, str]] = {
    Rate.CONNECTION: "max connection rate {number}/{unit}s for ({client}) at {when}",
    CONNECTIONS: "max connection count {number} for ({client}) at {when}",
    Rate.MESSAGE: "max message rate {number}/{unit}s for ({client}) at {when}",
    Rate.RECIPIENT: "max recipient rate {number}/{unit}s for ({client}) at {when}",
    Rate.TLS_SESSION: "max newtls rate {number}/{unit}s for ({client}) at {when}",
    Rate.AUTH: "max auth rate {number}/{unit}s for ({client}) at {when}",
    CACHE: "max cache size {number} at {when}",
}
_ROW: Final = struct.Struct("I4xd112s")
_AT: Final = {what: row * _ROW.size for row, what in enumerate(_WORDS)}


class Peak(Struct, frozen=True):
    """`number` was the highest, of `client` (service and address), at `when` (seconds since 1970)."""

    what: Counted
    number: int
    client: str
    when: float


class Peaks:
    """To be made before the fork of those who share it. A peak that another process is just writing is not waited for."""

    def __init__(self) -> None:
        self._file, self._memory = shared("anvil-peaks", _ROW.size * len(_AT))

    def see(self, what: Counted, number: int, client: str, now: float) -> None:
        """Note a number if it is the highest so far."""
        at = _AT[what]
        if number > _ROW.unpack_from(self._memory, at)[0] and self._lock():
            if number > _ROW.unpack_from(self._memory, at)[0]:
                _ROW.pack_into(self._memory, at, number, now, client.encode())
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1)

    def take(self) -> tuple[Peak, ...]:
        """What was seen, and begin anew."""
        if not self._lock():
            return ()
        rows = [(what, *_ROW.unpack_from(self._memory, at)) for what, at in _AT.items()]
        self._memory[:] = bytes(len(self._memory))
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1)
        return tuple(Peak(what, number, client.rstrip(b"\0").decode(), when) for what, number, when, client in rows if number)

    def _lock(self) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        except OSError:
            return False
        return True


def statistics(peaks: Iterable[Peak], time_unit: int) -> list[str]:
    """Peaks in the words of anvil(8)'s log. `time_unit`: `anvil_rate_time_unit` in seconds."""
    return [
        "statistics: "
        + _WORDS[peak.what].format(number=peak.number, unit=time_unit, client=peak.client, when=time.ctime(peak.when)[4:19])
        for peak in peaks
    ]
