"""What local(8) may have done: mailboxes of accounts where home_mailbox and mail_spool_directory put them, what mailbox_command,
mailbox_command_maps, aliases and the user's own .forward file name, and the reading of these files. All as the account whose it is;
for root, commands and listed files as default_privs, and its own mailbox."""

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.config.values import split
from gatepost.deliver.command import command_words
from gatepost.deliver.local_mailbox import COMMAND_PATH, OF_MESSAGE, lock_rules
from gatepost.deliver.local_names import UNCHOSEN, Rights, censored, unprivileged, user_named, user_with_id
from gatepost.deliver.local_settings import LocalSettings
from gatepost.deliver.privileged import Answer, ReadFile, RunCommand, WriteMaildir, WriteMbox
from gatepost.service.agent.files import read_list
from gatepost.service.agent.granted_lists import Listed, Lists
from gatepost.service.agent.granted_paths import is_path_of
from gatepost.service.agent.granted_tables import TableFiles, leaves
from gatepost.service.local import exported_environment


class LocalGrant(Struct, frozen=True):
    """What one service whose program is local may ask for. `default`: default_privs; `exported`: what export_environment says."""

    settings: LocalSettings
    default: Rights
    exported: Mapping[str, str]
    tables: TableFiles
    lists: Lists

    # Mailboxes

    def allow_mailbox(self, request: WriteMaildir | WriteMbox) -> bool:
        """Whether it is somebody's own mailbox, or a file that one of his lists names."""
        box, settings = request.box, self.settings
        if box.limit != settings.mailbox_size_limit or "\0" in box.path:
            return False
        if isinstance(request, WriteMbox) and request.locks != lock_rules(settings):
            return False
        if isinstance(request, WriteMaildir) != box.path.endswith("/"):
            return False
        if isinstance(request, WriteMbox) and request.listed:
            return not box.privileged and self._is_listed_file(request)
        strict = box.strict_ownership or not settings.strict_mailbox_ownership
        return (strict and self._is_own(box.path, box.uid, box.gid, privileged=box.privileged)) or (
            isinstance(request, WriteMaildir) and self._is_listed_file(request)
        )

    def _is_own(self, path: str, uid: int, gid: int, *, privileged: bool) -> bool:
        return any((path, gid, privileged) in self._mailboxes(user) for user in accounts(uid))

    def _mailboxes(self, user: Rights) -> set[tuple[str, int, bool]]:
        """Where mail for an account may go, with the group that may write there, and whether only root may."""
        home, spool = self.settings.home_mailbox, self.settings.mail_spool_directory
        if home:
            return {(f"{user.home}/{home}", user.gid, False)}
        if spool.endswith("/"):
            return {(f"{spool}{user.name}/", user.gid, False)}
        path = f"{spool}/{user.name}"
        shared, group = _sharing(spool)
        if shared == stat.S_IWGRP:
            return {(path, group, False)}
        return {(path, user.gid, not shared)}

    def _is_listed_file(self, request: WriteMaildir | WriteMbox) -> bool:
        box, allowed = request.box, split(self.settings.allow_mail_to_files)
        return any(
            one.kind in allowed and box.path in one.files() and self._ids(one.rights) == (box.uid, box.gid)
            for one in self._lists(box.uid, box.forward)
        )

    # Commands

    def allow_command(self, request: RunCommand) -> bool:
        """Whether that command is one that the configuration, an alias or the account's own .forward file names."""
        user = user_named(request.account) if request.account else UNCHOSEN
        return (
            user is not None
            and not request.chroot
            and self._ids(user) == (request.uid, request.gid)
            and request.time_limit == self.settings.command_time_limit
            and request.file_limit == self.settings.mailbox_size_limit
            and self._is_directory(request, user)
            and self._is_environment(request.environment, user)
            and (self._is_own_command(request, user) or self._is_listed_command(request, user))
        )

    def _is_directory(self, request: RunCommand, user: Rights) -> bool:
        settings = self.settings
        if not settings.command_execution_directory:
            return request.directory == settings.queue_directory
        return request.directory == settings.queue_directory or is_path_of(
            request.directory,
            settings.command_execution_directory,
            user,
            settings.recipient_delimiter,
            settings.execution_directory_expansion_filter,
        )

    def _is_environment(self, environment: Mapping[str, str], user: Rights) -> bool:
        """Whether a command is told of the message what it may be told, and else what always holds for it."""
        allowed = self.settings.command_expansion_filter
        of_user = {"HOME": user.home, "SHELL": user.shell, "LOGNAME": user.name}
        fixed = {"PATH": COMMAND_PATH, **self.exported}
        fixed |= {name: censored(value, allowed) for name, value in of_user.items() if value}
        told = OF_MESSAGE if user.name else OF_MESSAGE | {"LOGNAME"}
        return fixed.keys() <= environment.keys() and all(
            value == (censored(value, allowed) if name in told else fixed.get(name)) for name, value in environment.items()
        )

    def _is_own_command(self, request: RunCommand, user: Rights) -> bool:
        """Whether it is how mail for the account is delivered."""
        name = censored(user.name, self.settings.command_expansion_filter)
        if not name or request.environment.get("USER") != name:
            return False
        return any(self._words(command) == request.argv for command in self._own_commands(user))

    def _own_commands(self, user: Rights) -> Iterator[str]:
        if self.settings.mailbox_command:
            yield self.settings.mailbox_command
        for spec in leaves(self.settings.mailbox_command_maps):
            table = self.tables.table(spec)
            if table is not None:
                yield from (value for key, value in table.rows if key in ("", user.name))

    def _is_listed_command(self, request: RunCommand, user: Rights) -> bool:
        allowed = split(self.settings.allow_mail_to_commands)
        return any(
            one.kind in allowed and one.rights.uid == user.uid and request.argv in map(self._words, one.commands())
            for one in self._lists(user.uid, request.forward)
        )

    def _words(self, command: str) -> tuple[str, ...]:
        return command_words(command, self.settings.local_command_shell)

    # Lists of recipients

    def read(self, request: ReadFile) -> Answer | None:
        """A .forward file, or a list that it or an alias includes; None for any other file."""
        user = self._forwarding(request.uid, request.forward) if request.forward else None
        if user is not None and request.path == request.forward and request.gid == user.gid:
            return read_list(request.path, (user.uid, user.gid))
        whose = user_with_id(request.uid) if request.uid else UNCHOSEN
        if whose is None or (whose.uid and request.gid != whose.gid):
            return None
        for one in self._lists(request.uid, request.forward):
            if one.rights.uid == request.uid and request.path in one.lists():
                return read_list(request.path, (whose.uid, whose.gid)) if whose.uid else self.lists.read_included(request.path)
        return None

    def _lists(self, uid: int, forward: str) -> Iterator[Listed]:
        """The lists that may say something for a user: his .forward file, if that is named, else the aliases."""
        if not forward:
            return self.lists.of_aliases(self.settings.alias_maps)
        user = self._forwarding(uid, forward)
        return iter(()) if user is None else self.lists.of_forward(forward, user)

    def _forwarding(self, uid: int, path: str) -> Rights | None:
        """The account with that uid whose .forward file `path` may be. default_privs may act for root."""
        settings = self.settings
        for user in chain(accounts(uid), accounts(0) if uid == self.default.uid else ()):
            for template in split(settings.forward_path):
                if is_path_of(path, template, user, settings.recipient_delimiter, settings.forward_expansion_filter):
                    return user
        return None

    def _ids(self, rights: Rights) -> tuple[int, int]:
        who = unprivileged(rights, self.default)
        return who.uid, who.gid


def local_grants(configuration: Configuration, entry: ServiceEntry, tables: TableFiles, lists: Lists) -> Iterator[LocalGrant]:
    """The grant of a local service; none where default_privs is not somebody whom local(8) would work for."""
    if entry.program != "local":
        return
    settings = configuration.view(LocalSettings, entry.overrides)
    default = user_named(settings.default_privs)
    if default is not None and default.uid:
        nobody = Rights(default.uid, default.gid)
        yield LocalGrant(settings, nobody, exported_environment(configuration, entry), tables, lists)


def accounts(uid: int) -> Iterator[Rights]:
    """The accounts with that uid: most often one. All of them are looked at only if another name is needed."""
    first = user_with_id(uid)
    if first is None:
        return
    yield first
    for name in _other_names(uid, first.name):
        other = user_named(name)
        if other is not None:
            yield other


@lru_cache(256)
def _other_names(uid: int, first: str) -> tuple[str, ...]:
    """More names of the same account, as they were when they were first wanted."""
    return tuple(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == uid and entry.pw_name != first)


def _sharing(folder: str) -> tuple[int, int]:
    """Who but root may write to a directory of mailboxes (S_IWOTH, S_IWGRP or nobody, 0), and its group."""
    try:
        status = os.stat(folder)
    except OSError:
        return stat.S_IWOTH, -1
    if status.st_mode & stat.S_IWOTH:
        return stat.S_IWOTH, status.st_gid
    if status.st_mode & stat.S_IWGRP:
        return stat.S_IWGRP, status.st_gid
    return (0 if status.st_uid == 0 else stat.S_IWOTH), status.st_gid
