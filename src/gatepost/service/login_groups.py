"""The groups whose rights workers need to ask those who know the users: Debian keeps saslauthd's socket in a folder of group `sasl`
(0710), and sasldb2 is that group's (0640)."""

import grp
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from msgspec import Struct

from gatepost.auth.backends.choice import words
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.cyrus_sasl import Source
from gatepost.config.master import ServiceEntry
from gatepost.service.cyrus_sasl import NobodyLogsIn, asked_for, saslauthd_paths

_USUAL: Final = "sasl"
"""Whose folder it will be where saslauthd has not been started yet."""


class _Settings(Struct, frozen=True):
    smtpd_auth_backends: str
    smtpd_sasl_auth_enable: bool
    smtpd_sasl_type: str
    queue_directory: str


def login_groups(configuration: Configuration) -> frozenset[int]:
    """Their numbers, for the services of a configuration; never root's. A group counts where it may what others may not, and a file
    that anybody but root could have put there says nothing."""
    with suppress(ConfigurationError):  # whoever builds the service tells
        return frozenset(group for entry in configuration.services for group in _groups(configuration, entry))
    return frozenset()


def _groups(configuration: Configuration, entry: ServiceEntry) -> Iterator[int]:
    if entry.program != "smtpd":
        return
    settings = configuration.view(_Settings, entry.overrides)
    chosen = words(settings.smtpd_auth_backends)
    if not settings.smtpd_sasl_auth_enable:
        return
    if "saslauthd" in chosen:
        yield from _of_folder(saslauthd_paths(settings.queue_directory))
    elif not chosen and settings.smtpd_sasl_type == "cyrus":
        with suppress(NobodyLogsIn):
            asked = asked_for(configuration, entry.overrides)
            if asked.source is Source.SASLDB:
                yield from _of(asked.options.sasldb_path, stat.S_IRGRP, stat.S_IROTH)
            else:
                yield from _of_folder(saslauthd_paths(settings.queue_directory, asked.options.saslauthd_path))


def _of_folder(sockets: tuple[str, ...]) -> Iterator[int]:
    folders = [folder for folder in map(os.path.dirname, sockets) if os.path.isdir(folder)]
    for folder in folders:
        yield from _of(folder, stat.S_IXGRP, stat.S_IXOTH)
    if not folders:
        with suppress(KeyError):
            yield grp.getgrnam(_USUAL).gr_gid


def _of(path: str, of_group: int, of_others: int) -> Iterator[int]:
    """The group of a file of root's that gives it a right which others have not."""
    with suppress(OSError):
        status = os.lstat(path)
        if status.st_uid == 0 and status.st_gid and status.st_mode & of_group and not status.st_mode & (of_others | stat.S_IWOTH):
            yield status.st_gid
