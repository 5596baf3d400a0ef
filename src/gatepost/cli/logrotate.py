"""`gatepost logrotate`, also `postfix logrotate`: the log begins anew, and what was is kept beside it, compressed
(MAILLOG_README). In a folder that is not root's alone this is done as whoever could change it.

Nothing is lost on the way: the old file is compressed only when no process writes to it any more. Workers whose clients stay on
after the reload write to it until they leave.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.service.path_owners import weakest
from gatepost.service.privileges import acting_as

_PATIENCE = 400.0  # seconds for retired workers to end
_LOOK = 0.1


class RotationFailed(Exception):
    """The log was not rotated, or not compressed; the text says why."""


class LogFileSettings(Struct, frozen=True):
    """Parameters of log rotation."""

    maillog_file: str
    maillog_file_rotate_suffix: str
    maillog_file_compressor: str


def rotate(configuration: Configuration, reopen: Callable[[], object], patience: float = _PATIENCE) -> Path:
    """Rotate the log; the file that it was, before its compression. `reopen` has the mail system begin the new one, if it runs;
    `patience`: seconds for the old one to be given up. Raises RotationFailed."""
    settings = configuration.view(LogFileSettings)
    for name in LogFileSettings.__struct_fields__:
        if not getattr(settings, name):
            raise RotationFailed(f"empty '{name}' parameter value - logfile rotation failed")
    log = Path(settings.maillog_file)
    if log.is_relative_to("/dev"):
        raise RotationFailed(f"not rotating '{log}'")
    uid, gid = weakest(log) if log.parent.is_dir() else (0, 0)
    old = Path(f"{log}.{time.strftime(settings.maillog_file_rotate_suffix)}")
    if old.exists():
        raise RotationFailed(f"logfile '{log}' rotation failed: {old} is there already")
    try:
        with acting_as(uid, gid):
            log.rename(old)
        reopen()
        _wait_until_closed(old, patience)
        done = _run_as(uid, gid, [settings.maillog_file_compressor, str(old)])
    except OSError as error:
        raise RotationFailed(f"logfile '{log}' rotation failed: {error}") from None
    if done.returncode != 0:
        raise RotationFailed(f"logfile '{log}' rotation failed: {settings.maillog_file_compressor}: {done.stderr.strip()}")
    return old


def _run_as(uid: int, gid: int, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run it as that user where we are root. In a folder of mail_owner, say, root would go wherever links lead."""
    ids: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 and uid else {}
    return subprocess.run(command, capture_output=True, text=True, check=False, **ids)


def _wait_until_closed(file: Path, patience: float) -> None:
    """Wait until no process that we may look at has the file open. Raises RotationFailed when patience ends."""
    deadline = time.monotonic() + patience
    while _is_open(file):
        if time.monotonic() > deadline:
            raise RotationFailed(f"{file} is still written to: compress it later")
        time.sleep(_LOOK)


def _is_open(file: Path) -> bool:
    wanted = str(file.resolve())
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(one.path) == wanted for one in os.scandir(descriptors)):
                return True
        except OSError:
            continue  # it ended, or is not ours to look at
    return False
