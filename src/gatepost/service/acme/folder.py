"""What ACME keeps, in the folder `acme` of queue_directory, which is root's alone: data_directory is mail_owner's, where a worker
that was taken over could read keys, and put others in their places."""

import errno
import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gatepost.acme import certificate
from gatepost.acme.certificate import Certificate
from gatepost.acme.port import shown
from gatepost.acme.renewal import Attempts
from gatepost.service.master.directories import ACME, own_folder
from gatepost.service.own_files import OPENED, put

ACCOUNT: Final = "account.pem"
CHAIN: Final = "chain.pem"
ATTEMPTS: Final = "attempts.json"
NAMES: Final = frozenset((ACCOUNT, CHAIN, ATTEMPTS))
MOST_OCTETS: Final = 131072
"""Of a file."""

_MOST_SHOWN: Final = 1000  # characters of a failure


class Kept(Struct, frozen=True):
    """What there is. `account`: the account's key, PEM, empty for none."""

    account: bytes = b""
    certificate: Certificate | None = None
    attempts: Attempts = Attempts()

    def __repr__(self) -> str:
        return f"Kept({self.certificate!r}, {self.attempts!r})"


def path(queue_directory: str) -> Path:
    """The file that smtpd_tls_chain_files is to name."""
    return Path(queue_directory) / ACME / CHAIN


def read(queue_directory: str) -> Kept:
    """Everything, by who starts the mail system, fit for a terminal, as a process that was taken over may have had it kept. What
    was tried is forgotten where its file is damaged. Raises OSError, UnsafeDirectory."""
    with own_folder(Path(queue_directory), ACME) as folder:
        account, chain, attempts = (_read(folder, name) for name in (ACCOUNT, CHAIN, ATTEMPTS))
    try:
        tried = msgspec.json.decode(attempts, type=Attempts)
    except (msgspec.MsgspecError, RecursionError):
        tried = Attempts()
    tried = replace(tried, error=shown(tried.error, _MOST_SHOWN))
    return Kept(account, certificate.read(chain) if chain else None, tried)


def store(folder: int, name: str, content: bytes) -> None:
    """Put a file in its place, whole, for its owner alone. `folder`: a descriptor. Raises OSError."""
    if name not in NAMES or len(content) > MOST_OCTETS:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    put(folder, name, content)


def _read(folder: int, name: str) -> bytes:
    try:
        file = os.open(name, os.O_RDONLY | OPENED, dir_fd=folder)
    except FileNotFoundError:
        return b""
    with os.fdopen(file, "rb") as opened:
        return opened.read(MOST_OCTETS)
