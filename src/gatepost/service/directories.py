"""The directories that a mail system needs: created where missing, owned by `mail_owner` where root creates them."""

import os
import pwd
from pathlib import Path

from msgspec import Struct

from gatepost.service.settings import MasterSettings


class _Directory(Struct, frozen=True):
    """A folder under queue_directory. `owned`: by mail_owner, else by whoever starts the mail system."""

    name: str
    mode: int
    owned: bool = True


# maildrop takes submissions of every local user: anybody may add a file, nobody may list or change those of others.
_QUEUE = (
    _Directory("pid", 0o755, owned=False),
    _Directory("store", 0o700),
    _Directory("corrupt", 0o700),
    _Directory("private", 0o700),
    _Directory("public", 0o755),
    _Directory("maildrop", 0o1733),
)


def create_missing(settings: MasterSettings) -> None:
    """Create what is missing under `queue_directory` and `data_directory`. Raises OSError, or KeyError for an unknown owner."""
    queue = Path(settings.queue_directory)
    _create(queue, 0o755, None)
    owner = _owner(settings)
    for directory in _QUEUE:
        _create(queue / directory.name, directory.mode, owner if directory.owned else None)
    _create(Path(settings.data_directory), 0o700, owner)


def _owner(settings: MasterSettings) -> tuple[int, int] | None:
    """uid and gid of mail_owner where we may give files away, else None."""
    if os.getuid() != 0:
        return None
    try:
        user = pwd.getpwnam(settings.mail_owner)
    except KeyError:
        raise KeyError(f"mail_owner = {settings.mail_owner}: there is no such user; name an existing one in main.cf") from None
    return user.pw_uid, user.pw_gid


def _create(path: Path, mode: int, owner: tuple[int, int] | None) -> None:
    """Make `path` if it is not there; one that exists keeps its mode (an administrator may have tightened it)."""
    if path.is_dir():
        if owner and path.stat().st_uid != owner[0]:
            os.chown(path, *owner)
        return
    path.mkdir(parents=True)
    path.chmod(mode)  # not through the umask
    if owner:
        os.chown(path, *owner)
