"""What lists of recipients may have delivered: the commands, files and further lists that aliases and .forward files name. The
agent reads them itself, each with the rights that it has a right to, and looks only for what it is asked for.

- Aliases of a table that root owns count for default_privs, those of a user's table for that user.
- A list (`:include:`) that root's aliases name is read by root only where nobody else can put another file in its place; else
  with the rights of whoever can. It counts for its owner. A list that a user names is read as that user, and counts for that user.
"""

import os
import stat
import threading
from collections.abc import Iterable, Iterator

from msgspec import Struct

from gatepost.deliver.listed import ALIAS, FORWARD, INCLUDE, included, members, words
from gatepost.deliver.local_names import UNCHOSEN, Rights, table_owner, user_with_id
from gatepost.deliver.privileged import Answer, Done, Failed
from gatepost.deliver.safe_path import first_not_of_root
from gatepost.service.agent.files import TROUBLE, failed, read_file, read_list
from gatepost.service.agent.granted_tables import TableFiles, leaves
from gatepost.service.agent.rights import Ids, as_user

_MOST_LISTS = 1000  # lists that include each other
_MOST_LINKS = 8
_REMEMBERED = 256  # texts
_OF_INTEREST = ("|", "/", "~", ":")


class Listed(Struct, frozen=True):
    """What a list names besides addresses: `words` as they stand there; `kind`: alias, forward or include; `rights`: whose list it
    is, uid 0 for nobody's."""

    words: frozenset[str]
    kind: str
    rights: Rights

    def commands(self) -> Iterator[str]:
        return (word[1:] for word in self.words if word.startswith("|"))

    def files(self) -> Iterator[str]:
        for word in self.words:
            if word.startswith("/"):
                yield word
            elif word.startswith("~/") and self.rights.home:
                yield self.rights.home + word[1:]

    def lists(self) -> Iterator[str]:
        return (path for word in self.words if (path := included(word)) and path.startswith("/"))


class Lists:
    """Reads lists and remembers what they name for as long as they stay the same. `owner`: whose rights do for what a group or
    everybody may change."""

    def __init__(self, tables: TableFiles, owner: Ids) -> None:
        self._tables = tables
        self._owner = owner
        self._known: dict[tuple[str, int], tuple[object, frozenset[str]]] = {}
        self._rows: dict[str, tuple[object, frozenset[str]]] = {}
        self._lock = threading.Lock()

    def of_aliases(self, alias_maps: str) -> Iterator[Listed]:
        """What the aliases of these tables name, then what the lists name that they include, nearest first."""
        return self._and_included([one for spec in leaves(alias_maps) if (one := self._table(spec)) is not None])

    def of_forward(self, path: str, user: Rights) -> Iterator[Listed]:
        """The same of a .forward file of `user`; nothing where it does not count."""
        named = self._words(path, user)
        return self._and_included([] if named is None else [Listed(named, FORWARD, user)])

    def read_included(self, path: str) -> Answer:
        """A list that root's aliases name."""
        try:
            for _ in range(_MOST_LINKS):
                done = read_list(path, self._reader(path))
                if not (isinstance(done, Done) and stat.S_ISLNK(done.mode) and first_not_of_root(path) is None):
                    return done
                path = os.path.join(os.path.dirname(path), os.readlink(path))
        except TROUBLE as error:
            return failed(error)
        return Failed("4.3.0", f"{path}: {os.strerror(40)}")

    def _reader(self, path: str) -> Ids:
        if os.getuid() != 0:
            return os.getuid(), os.getgid()
        other = first_not_of_root(path)
        if other is None:
            other = os.stat(path, follow_symlinks=False).st_uid
            if other == 0:
                return 0, 0
        user = user_with_id(other) if other else None
        return (user.uid, user.gid) if user else self._owner

    def _and_included(self, level: list[Listed]) -> Iterator[Listed]:
        seen: set[tuple[str, int]] = set()
        while level and len(seen) < _MOST_LISTS:
            yield from level
            wanted = {(path, one.rights.uid): one.rights for one in level for path in one.lists()}
            fresh = [(path, rights) for (path, uid), rights in wanted.items() if (path, uid) not in seen]
            seen.update(wanted)
            level = [one for path, rights in fresh if (one := self._included(path, rights)) is not None]

    def _included(self, path: str, rights: Rights) -> Listed | None:
        if rights.uid:
            named = self._words(path, rights)
            return None if named is None else Listed(named, INCLUDE, rights)
        done = self.read_included(path)
        if isinstance(done, Failed) or not _counts(done):
            return None
        owner = user_with_id(done.owner) if done.owner else UNCHOSEN
        return None if owner is None else Listed(_interesting(words(done.data)), INCLUDE, owner)

    def _words(self, path: str, user: Rights) -> frozenset[str] | None:
        """What a file of `user` names, read as that user; None where it does not count."""
        key = (path, user.uid)
        with self._lock:
            stamp, named = self._known.get(key, (None, frozenset[str]()))
        seen: list[object] = []

        def is_known(status: os.stat_result) -> bool:
            seen.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
            return seen[-1] == stamp

        try:
            with as_user(user.uid, user.gid):
                done = read_file(path, is_known)
        except TROUBLE:
            return None
        if not _counts(done) or done.owner not in (0, user.uid):
            return None
        if seen[-1] == stamp:
            return named
        named = _interesting(words(done.data))
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = (seen[-1], named)
        return named

    def _table(self, spec: str) -> Listed | None:
        """What the aliases of a table name."""
        table = self._tables.table(spec)
        owner = table_owner(spec)
        rights = user_with_id(owner) if owner else UNCHOSEN
        if table is None or rights is None or table.owner not in (0, owner):
            return None
        with self._lock:
            known = self._rows.get(spec)
            if known is None or known[0] is not table:
                named = (word for _, value in table.rows if any(mark in value for mark in _OF_INTEREST) for word in members(value))
                known = self._rows[spec] = (table, _interesting(named))
        return Listed(known[1], ALIAS, rights)


def _interesting(named: Iterable[str]) -> frozenset[str]:
    return frozenset(word for word in named if word.startswith(_OF_INTEREST))


def _counts(done: Done) -> bool:
    """Whether a list is one that local(8) would use."""
    return stat.S_ISREG(done.mode) and not done.mode & stat.S_IWOTH
