"""Files in a folder that is only ours (service/master/directories.own_folder), put in their place whole."""

import contextlib
import errno
import os
from typing import Final

OPENED: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How such a file is opened: what somebody put there neither leads elsewhere nor has us wait."""


def put(folder: int, name: str, content: bytes) -> None:
    """Make a file for its owner alone, durably, or replace it: whoever opens it finds the former content or this. `folder`: a
    descriptor. Raises OSError."""
    new = f".{name}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new, dir_fd=folder)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPENED, 0o600, dir_fd=folder)
    try:
        if os.write(file, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
