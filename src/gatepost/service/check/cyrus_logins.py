"""What `gatepost check` finds in the file of Cyrus SASL (smtpd_sasl_type = cyrus): what it asks for and is not there, and files
that workers may not read."""

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from gatepost.auth.backends import sasldb
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.cyrus_sasl import Source
from gatepost.config.faults import Fault
from gatepost.config.usage import scopes
from gatepost.lookup.berkeley_db import NotReadable
from gatepost.service.cyrus_sasl import Asked, NobodyLogsIn, asked_for
from gatepost.service.login_groups import login_groups


class _Settings(Struct, frozen=True):
    smtpd_auth_backends: str
    smtpd_sasl_auth_enable: bool
    smtpd_sasl_type: str
    mail_owner: str


_WHERE: Final = "smtpd_sasl_path"
_ENABLED: Final = "smtpd_sasl_auth_enable"
_NAMES: Final = frozenset((_ENABLED, _WHERE, "smtpd_sasl_type", "smtpd_auth_backends", "cyrus_sasl_config_path"))
_OFF: Final = "until then, AUTH is not offered"


def check_cyrus_logins(configuration: Configuration) -> Iterator[Fault]:
    """Of main.cf, and of each service of master.cf that has such parameters of its own."""
    for scope in scopes(configuration):
        if not scope.names & _NAMES:
            continue
        try:
            settings = configuration.view(_Settings, scope.overrides)
            if settings.smtpd_sasl_auth_enable and settings.smtpd_sasl_type == "cyrus" and not settings.smtpd_auth_backends:
                yield from _check(configuration, scope.overrides, settings.mail_owner)
        except ConfigurationError:
            continue  # told elsewhere


def _check(configuration: Configuration, overrides: Mapping[str, str] | None, owner: str) -> Iterator[Fault]:
    try:
        asked = asked_for(configuration, overrides)
    except NobodyLogsIn as reason:
        remedy = f"{reason.remedy}; {_OFF}"
        if reason.file:
            yield Fault(reason.file, reason.line, str(reason), remedy)
        else:
            yield configuration.fault(_WHERE if _WHERE in (overrides or {}) else _ENABLED, str(reason), remedy, overrides)
        return
    groups = login_groups(configuration)
    if not _may_read(asked.options.file, owner, frozenset()):
        yield Fault(asked.options.file, 0, f"{owner} may not read it", f"make it readable for {owner}; {_OFF}")
    if asked.source is Source.SASLDB:
        yield from _sasldb(asked, owner, groups)


def _sasldb(asked: Asked, owner: str, groups: frozenset[int]) -> Iterator[Fault]:
    path = asked.options.sasldb_path
    try:
        sasldb.read(path)
    except OSError as error:
        yield Fault(path, 0, str(error.strerror), f"make it with saslpasswd2; {_WAITS}")
    except NotReadable as reason:
        yield Fault(path, 0, f"this is no sasldb: {reason}", f"make it with saslpasswd2; {_WAITS}")
    else:
        if not _may_read(path, owner, groups):
            yield Fault(path, 0, f"{owner} may not read it", f"chgrp sasl {path}; chmod 0640 {path}; {_WAITS}")


_WAITS: Final = "until then, nobody can log in (454)"


def _may_read(path: str, owner: str, groups: frozenset[int]) -> bool:
    """Whether workers may read a file; where nobody is root, they are who asks."""
    try:
        user, status = pwd.getpwnam(owner), os.stat(path)
    except (KeyError, OSError):
        return True  # told elsewhere
    if os.geteuid() != 0:
        return os.access(path, os.R_OK)
    if status.st_uid == user.pw_uid:
        return bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid in {*os.getgrouplist(owner, user.pw_gid), *groups}:
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)
