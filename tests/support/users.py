"""A Gatepost with users of its own: alice, bob and mallory exist for it and its commands only, in a mount namespace. Needs root."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.support import running
from tests.support.running import MASTER

IDS = {"alice": 2001, "bob": 2002, "mallory": 2003, "vmail": 2010}
_ENTER = 'mount --make-rprivate / && mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"'

_MAIN = {
    "mydestination": "here.test",
    "local_recipient_maps": "",
    "recipient_delimiter": "+",
    "alias_maps": "texthash:{dir}/aliases",
    "home_mailbox": "Maildir/",
    "default_privs": "bob",
}


class Houses(running.System):
    """`home`: the home directory of a user; `aliases`: the text of the alias file, in postmap's form, which root owns."""

    def __init__(self, main: Mapping[str, str] | None = None, master: str = "", aliases: str = "") -> None:
        super().__init__({**_MAIN, **(main or {})}, MASTER + master)
        self.homes = self.folder / "home"
        for name, uid in IDS.items():
            self.home(name).mkdir(parents=True)
            os.chown(self.home(name), uid, uid)
        (self.folder / "aliases").write_text(self.fill(aliases))
        self._prefix = ("unshare", "-m", "sh", "-c", _ENTER, "sh", self._database("passwd"), self._database("group"))

    def home(self, name: str) -> Path:
        return self.homes / name

    def _database(self, name: str) -> str:
        """A copy of a file of the system with our users in it."""
        path = self.folder / name
        shutil.copy(f"/etc/{name}", path)
        with open(path, "a") as file:
            for user, uid in IDS.items():
                entry = f"{uid}:{uid}::{self.home(user)}:/bin/sh" if name == "passwd" else f"{uid}:"
                file.write(f"{user}:x:{entry}\n")
        return str(path)

    def give(self, path: Path, name: str, text: str | bytes | None = None, mode: int = 0o600) -> Path:
        """Give `path` to a user; `text`: what is to be in it."""
        if text is not None:
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            path.chmod(mode)
        uid = IDS.get(name, 0)
        os.lchown(path, uid, uid)
        return path

    def maildir(self, name: str) -> list[bytes]:
        """The messages in a user's Maildir."""
        return [file.read_bytes() for file in sorted((self.home(name) / "Maildir" / "new").glob("*"))]
