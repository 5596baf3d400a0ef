"""What the agent may be asked for: an allow-list out of the configuration (docs/decisions/0004).

Whoever has taken a worker over can ask the agent for anything. It does no more than local(8), virtual(8) and pipe(8) of this
configuration might have to do:

- files and commands of accounts of the system, with the ids that the system gives them; commands only where local(8) may run any;
- mailboxes below virtual_mailbox_base, of users from virtual_minimum_uid on;
- the command of a pipe service, as its user, where it runs, as far as its words are fixed;
- of root: its own mailbox, its .forward files, and lists that aliases of root include; virtual mailboxes if
  virtual_minimum_uid is 0.
"""

import grp
import os
import pwd
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.config.values import split
from gatepost.deliver.local_names import user_named, user_with_id
from gatepost.deliver.local_settings import LocalSettings
from gatepost.deliver.pipe import command_environment
from gatepost.deliver.pipe_attributes import PipeFault, pipe_attributes, working_directory
from gatepost.deliver.privileged import ReadFile, Request, RunCommand
from gatepost.deliver.virtual import VirtualSettings
from gatepost.service.local import exported_environment

Ids = tuple[int, int]
"""uid and gid."""

_INCLUDE = re.compile(r':include:"?(/[^\s",]+)')
_SEARCHED = 1 << 22  # octets of an alias file that are searched for lists


class Command(Struct, frozen=True):
    """What a pipe service runs: `begins` are its words up to the first that holds a name."""

    ids: Ids
    directory: str
    chroot: str
    environment: Mapping[str, str]
    begins: tuple[str, ...]


class VirtualBase(Struct, frozen=True):
    """Where mailboxes of virtual(8) lie, and the lowest uid that they may have."""

    path: str
    minimum_uid: int


class Grants(Struct, frozen=True):
    """`owner`: mail_owner; `default`: default_privs; `any_command`: accounts may have commands run; `spools`: directories of
    mailboxes; `root_mailboxes`: where root's own mail goes; `root_forward`: how the names of root's .forward files begin;
    `aliases`: the files whose lists (`:include:`) are read as root."""

    owner: Ids
    default: Ids
    any_command: bool
    commands: tuple[Command, ...] = ()
    bases: tuple[VirtualBase, ...] = ()
    spools: frozenset[str] = frozenset()
    root_mailboxes: frozenset[str] = frozenset()
    root_forward: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def allow(self, request: Request) -> bool:
        """Whether the request is one that a worker in its senses may make."""
        if isinstance(request, RunCommand):
            return self._command(request)
        if isinstance(request, ReadFile):
            return request.uid == 0 or self._is_account(request.uid, request.gid)
        box = request.box
        folder = os.path.dirname(box.path)
        if box.privileged and folder not in self.spools:
            return False
        virtual = any(box.uid >= base.minimum_uid and _is_below(box.path, base.path) for base in self.bases)
        if box.uid == 0:
            return box.path in self.root_mailboxes or virtual
        # In the order of what it costs: looking for accounts reads files, and all of them where there is no such account.
        return (
            virtual
            or self._is_account(box.uid, box.gid)
            or (folder in self.spools and _group_of(folder) == box.gid and user_with_id(box.uid) is not None)
        )

    def reader(self, request: ReadFile) -> Ids:
        """Whose rights a file is read with. uid 0 stands for the mail system: that is root where only root may know of the file,
        and mail_owner, who has nothing to gain by asking, elsewhere."""
        if request.uid:
            return request.uid, request.gid
        forward = request.path.startswith(self.root_forward) and ".." not in request.path
        return (0, 0) if forward or request.path in _lists(self.aliases) else self.owner

    def _command(self, request: RunCommand) -> bool:
        if self.any_command and not request.chroot and self._is_account(request.uid, request.gid):
            return True
        return any(
            (request.uid, request.gid) == command.ids
            and (request.directory, request.chroot) == (command.directory, command.chroot)
            and request.environment == command.environment
            and request.argv[: len(command.begins)] == command.begins
            for command in self.commands
        )

    def _is_account(self, uid: int, gid: int) -> bool:
        if uid == 0:
            return False
        if (uid, gid) == self.default:
            return True
        user = user_with_id(uid)
        if user is not None and gid in (user.gid, user.gid or self.default[1]):
            return True
        return any((entry.pw_uid, entry.pw_gid) == (uid, gid) for entry in pwd.getpwall())  # another name for the same id


def grants_of(configuration: Configuration) -> Grants:
    """The allow-list of a configuration. Where default_privs names nobody, local(8) cannot work, and says so itself."""
    owner = _ids(configuration.value("mail_owner"), (os.getuid(), os.getgid()))
    local = [configuration.view(LocalSettings, overrides) for overrides in _settings_of(configuration, "local")]
    virtual = [configuration.view(VirtualSettings, overrides) for overrides in _settings_of(configuration, "virtual")]
    return Grants(
        owner=owner,
        default=_ids(configuration.value("default_privs"), owner),
        any_command=any(one.allow_mail_to_commands or one.mailbox_command or one.mailbox_command_maps for one in local),
        commands=tuple(command for entry in configuration.services for command in _pipe(configuration, entry)),
        bases=tuple(VirtualBase(one.virtual_mailbox_base, one.virtual_minimum_uid) for one in virtual if one.virtual_mailbox_maps),
        spools=frozenset(one.mail_spool_directory.rstrip("/") for one in local),
        root_mailboxes=frozenset(path for one in local for path in _root_mailboxes(one)),
        root_forward=tuple(start for one in local for start in _root_forward(one.forward_path)),
        aliases=tuple(table.partition(":")[2] for one in local for table in split(one.alias_maps) if ":/" in table),
    )


def _ids(name: str, otherwise: Ids) -> Ids:
    user = user_named(name)
    return (user.uid, user.gid) if user else otherwise


def _settings_of(configuration: Configuration, program: str) -> list[Mapping[str, str] | None]:
    """The overrides of every service of a program; None for main.cf alone."""
    return [None, *(entry.overrides for entry in configuration.services if entry.command == program)]


def _pipe(configuration: Configuration, entry: ServiceEntry) -> Iterator[Command]:
    """What a pipe service asks for; nothing where it cannot work, which is told where it is used (service/pipe.py)."""
    if entry.command != "pipe":
        return
    try:
        attributes = pipe_attributes(entry.arguments)
        user = pwd.getpwnam(attributes.user)
        gid = grp.getgrnam(attributes.group).gr_gid if attributes.group else user.pw_gid
    except (PipeFault, KeyError):
        return
    fixed = next((index for index, word in enumerate(attributes.argv) if "$" in word), len(attributes.argv))
    environment = command_environment(exported_environment(configuration, entry))
    directory = working_directory(attributes, configuration.value("queue_directory"))
    yield Command((user.pw_uid, gid), directory, attributes.chroot, environment, attributes.argv[:fixed])


def _root_mailboxes(settings: LocalSettings) -> Iterator[str]:
    """Where root's own mail may go to, as deliver/local_mailbox.py writes it."""
    for entry in pwd.getpwall():
        if entry.pw_uid == 0:
            spool = settings.mail_spool_directory
            yield f"{spool}{entry.pw_name}/" if spool.endswith("/") else f"{spool}/{entry.pw_name}"
            if settings.home_mailbox:
                yield f"{entry.pw_dir}/{settings.home_mailbox}"


def _root_forward(forward_path: str) -> Iterator[str]:
    """`$home/.forward${recipient_delimiter}${extension}`: what comes before the extension."""
    root = user_with_id(0)
    for name in split(forward_path):
        start, slash, rest = name.partition("/")
        if root and slash and start in ("$home", "${home}", "$(home)"):
            fixed = rest.partition("$")[0]
            if fixed:
                yield f"{root.home}/{fixed}"


def _lists(aliases: Iterable[str]) -> set[str]:
    """The lists that root's alias files include, and those that these include; looked for when one is wanted, for they change."""
    todo, seen = list(aliases), set[str]()
    while todo:
        found = _included(todo.pop()) - seen
        seen |= found
        todo += found
    return seen


def _included(path: str) -> set[str]:
    """The lists that a file of root names."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            if os.fstat(file.fileno()).st_uid != 0:
                return set()
            return set(_INCLUDE.findall(file.read(_SEARCHED)))
    except OSError:
        return set()


def _group_of(folder: str) -> int:
    try:
        return os.stat(folder).st_gid
    except OSError:
        return -1


def _is_below(path: str, base: str) -> bool:
    return path.startswith(f"{base}/") and ".." not in path.split("/")
