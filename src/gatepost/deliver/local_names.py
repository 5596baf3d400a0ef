"""Names in local delivery: the parts of a recipient's address, users of the system, and `$name` expansion (local(8))."""

import os
import pwd
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from gatepost.config.expand import fill
from gatepost.lookup.account_database import User
from gatepost.lookup.address import split_extension
from gatepost.mail.address import split


class LocalName(Struct, frozen=True):
    """The parts of an address, in lower case. `extension` lacks its `delimiter`; both are empty where there is none."""

    local: str
    domain: str
    user: str
    extension: str = ""
    delimiter: str = ""


def local_name(address: str, delimiters: str, *, owner_request_special: bool) -> LocalName:
    """The parts of `address`. An extension with a slash is none: it might name a file outside of the home directory."""
    local, domain = split(address.lower())
    user, tail = split_extension(local, delimiters, owner_request_special=owner_request_special)
    if "/" in tail:
        return LocalName(local, domain, user)
    return LocalName(local, domain, user, tail[1:], tail[:1])


class Rights(Struct, frozen=True):
    """Whose rights files and commands get, and that user's data. uid 0 stands for "nobody chosen": then default_privs apply,
    for nothing is ever delivered with the rights of root."""

    uid: int = 0
    gid: int = 0
    name: str = ""
    home: str = ""
    shell: str = ""


UNCHOSEN = Rights()


def unprivileged(rights: Rights, default: Rights) -> Rights:
    """`rights`, with the ids of `default` (default_privs) where they would be those of root."""
    return replace(rights, uid=rights.uid or default.uid, gid=rights.gid or default.gid)


def _rights(entry: pwd.struct_passwd) -> Rights:
    return Rights(entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, entry.pw_shell)


def rights_of(user: User) -> Rights:
    """The rights of a user whom the system knows."""
    return Rights(user.uid, user.gid, user.name, user.home, user.shell)


def user_named(name: str) -> Rights | None:
    """The user of that name; None where there is none. It may take its time: a worker's loop asks Accounts instead."""
    try:
        return _rights(pwd.getpwnam(name))
    except (KeyError, ValueError):  # ValueError: a NUL or an octet that no name can have
        return None


def user_with_id(uid: int) -> Rights | None:
    """The user with that id; None where there is none."""
    try:
        return _rights(pwd.getpwuid(uid))
    except (KeyError, OverflowError):
        return None


class Expanded(Struct, frozen=True):
    """`text` with its names replaced. `used`: the names that had a value; `undefined`: some name had none."""

    text: str
    used: frozenset[str]
    undefined: bool


def expand_names(text: str, values: Callable[[str], str], allowed: str | None) -> Expanded:
    """Replace `$name` in `text`. Characters of a value that are not `allowed` (None: all are) become `_`; what looks like a
    reference in a value is not one. Raises ExpansionError."""
    used: set[str] = set()
    missing: set[str] = set()

    def lookup(name: str) -> str | None:
        value = values(name)
        if not value:
            missing.add(name)
            return None
        used.add(name)
        return censored(value, allowed)

    return Expanded(fill(text, lookup), frozenset(used), bool(missing))


def censored(value: str, allowed: str | None) -> str:
    """`value` with every character that is not `allowed` replaced by `_` (*_expansion_filter)."""
    if allowed is None:
        return value
    return "".join(character if character in allowed else "_" for character in value)


# Where the file is that a table of this type is read from: what is added to its name, tried in this order.
_SUFFIXES = {
    "btree": (".lmdb", ".db", ""), "cdb": (".lmdb", ".cdb", ""), "cidr": ("",), "dbm": (".lmdb", ".pag", ""),
    "hash": (".lmdb", ".db", ""), "lmdb": (".lmdb", ""), "pcre": ("",), "regexp": ("",), "sdbm": (".lmdb", ".pag", ""),
    "texthash": ("",),
}  # fmt: skip


def table_owner(spec: str) -> int:
    """uid of the owner of the file of a table `type:path`; 0 where there is no file, for then main.cf itself or a server that
    main.cf trusts says what is in the table."""
    kind, _, path = spec.removeprefix("proxy:").partition(":")
    for suffix in _SUFFIXES.get(kind, ()):
        try:
            return os.stat(path + suffix).st_uid
        except OSError:
            continue
    return 0
