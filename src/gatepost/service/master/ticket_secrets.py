"""The secrets of TLS session tickets: in a file that only who starts the mail system reads, and in memory that the workers share.

The supervisor alone makes and forgets them (net/tickets.py says when), so that sessions go on after a reload and a restart, and
what somebody recorded is lost to everybody once its secret is too old. A worker has what it needs in memory, before it drops its
privileges and after, and cannot read the file.

Failure: a file that is damaged, or that others could have read, is replaced; one that cannot be written is told of and
tried again, and sessions do not outlive a restart meanwhile.
"""

import hashlib
import os
import stat
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gatepost.net.tickets import MOST, SECRET, Secret, rotated
from gatepost.service.master.directories import OWN, UnsafeDirectory, own_folder
from gatepost.service.own_files import OPENED, put
from gatepost.state.memory import shared

NAME: Final = "ticket_secrets"
_LONGEST: Final = 4096  # octets of the file
_ROW: Final = struct.Struct(f"d{SECRET}s")
_DIGEST: Final = 16


class TicketSecrets:
    """To be made before the fork of the workers. `clock`: seconds since 1970; `random`: gives so many octets."""

    def __init__(self, clock: Callable[[], float] = time.time, random: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._random = random
        _, self._memory = shared("ticket-secrets", _DIGEST + _ROW.size * MOST)
        self._folder: Path | None = None
        self._warn: Callable[[str], object] = lambda text: None
        self._max_age = 0.0
        self._shown = b""
        """The rows in memory."""
        self._stored_rows = b""
        """Those of the file, which are others while it cannot be written."""
        self._fault = ""
        """Why it could not be, as it was told."""
        self._seen: tuple[bytes, tuple[Secret, ...]] = (b"", ())

    def open(self, queue_directory: Path, max_age: float, warn: Callable[[str], object]) -> None:
        """Take up those of the file, and see to it from now on. `max_age`: seconds (`tls_session_ticket_key_max_age`)."""
        self._folder, self._max_age, self._warn = queue_directory, max_age, warn
        try:
            self._turn(self._stored())
        except (OSError, UnsafeDirectory, msgspec.MsgspecError, ValueError) as error:
            warn(f"{queue_directory / OWN / NAME}: {_reason(error)}: replaced, TLS sessions from before are not resumed")
            self._turn(())

    def renew(self, max_age: float) -> None:
        """Go on with another age."""
        self._max_age = max_age
        self.look()

    def look(self) -> None:
        """What is due by now. To be called every few seconds."""
        self._turn(self.read())

    def read(self) -> Sequence[Secret]:
        """Those there are, oldest first: in a worker as in the supervisor. While they are just being written, those of before."""
        octets = bytes(self._memory)
        if octets != self._seen[0] and _digest(octets[_DIGEST:]) == octets[:_DIGEST]:
            rows = _ROW.iter_unpack(octets[_DIGEST:])
            self._seen = octets, tuple(Secret(begins, secret) for begins, secret in rows if begins)
        return self._seen[1]

    def _turn(self, known: Sequence[Secret]) -> None:
        secrets = rotated(known, self._clock(), self._max_age, self._random)
        rows = b"".join(_ROW.pack(one.begins, one.octets) for one in secrets).ljust(_ROW.size * MOST, b"\0")
        if rows != self._shown:
            self._shown = rows
            self._memory[:] = _digest(rows) + rows
        if rows != self._stored_rows:
            self._try_to_store(secrets, rows)

    def _try_to_store(self, secrets: Sequence[Secret], rows: bytes) -> None:
        """Once more at each look, until it succeeds; each reason why it does not is told once."""
        try:
            self._store(secrets)
        except (OSError, UnsafeDirectory) as error:
            if (fault := _reason(error)) != self._fault:
                self._fault = fault
                self._warn(f"{NAME}: {fault}: TLS sessions are not resumed after a restart")
        else:
            self._stored_rows, self._fault = rows, ""

    def _stored(self) -> tuple[Secret, ...]:
        """Raises OSError, UnsafeDirectory, and for what is no such file, or was not ours alone, ValueError, MsgspecError."""
        assert self._folder is not None
        with own_folder(self._folder, OWN) as folder:
            try:
                file = os.open(NAME, os.O_RDONLY | OPENED, dir_fd=folder)
            except FileNotFoundError:
                return ()
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077 or status.st_nlink != 1:
                raise ValueError("others may have read it")
            secrets = msgspec.json.decode(os.read(file, _LONGEST), type=tuple[Secret, ...])
        finally:
            os.close(file)
        if any(len(one.octets) != SECRET for one in secrets):
            raise ValueError("a secret of another length")
        return secrets

    def _store(self, secrets: Sequence[Secret]) -> None:
        """Put the file in its place, whole. Raises OSError, UnsafeDirectory."""
        assert self._folder is not None
        with own_folder(self._folder, OWN) as folder:
            put(folder, NAME, msgspec.json.encode(secrets))


def _digest(octets: bytes) -> bytes:
    return hashlib.blake2b(octets, digest_size=_DIGEST).digest()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
