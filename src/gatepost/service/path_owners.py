"""Who could change where a path leads: whoever owns a folder on the way to it."""

import os
from pathlib import Path


def way(path: Path) -> list[Path]:
    """The folders on the way to `path`, from the root on: as it is written, and where links lead."""
    return list(dict.fromkeys((*reversed(path.parents), *reversed(Path(os.path.realpath(path)).parents))))


def weakest(path: Path) -> tuple[int, int]:
    """uid and gid of whoever could change where `path` leads: of the first folder on the way that is not root's, else root's."""
    for folder in way(path):
        status = folder.stat()
        if status.st_uid:
            return status.st_uid, status.st_gid
    return 0, 0
