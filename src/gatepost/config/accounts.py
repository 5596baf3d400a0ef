"""Whom the mail system, and what it runs for others, may run as: neither root, nor both the same (postconf(5): mail_owner,
default_privs). A command that runs as mail_owner would own the queue."""

import pwd
from collections.abc import Callable, Iterator, Mapping

from gatepost.config.configuration import Configuration
from gatepost.config.faults import Fault

OWNERS = ("mail_owner", "default_privs")
_REMEDIES: Mapping[str, str] = {
    "mail_owner": "name a user that owns nothing but the queue; only `gatepost demo` runs as root",
    "default_privs": "give one of them another user, and default_privs one that owns nothing",
}


def uid_of(name: str) -> int | None:
    """The user id of an account; None where there is none of that name."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def accounts_that_are_refused(configuration: Configuration, uid_of: Callable[[str], int | None] = uid_of) -> Iterator[Fault]:
    """What Postfix's daemons and commands refuse to run with. Of no concern to whoever is not root."""
    uids = {name: uid_of(configuration.value(name)) for name in OWNERS}
    for name, uid in uids.items():
        if uid == 0:
            told = f"parameter {name}: user {configuration.value(name)} has privileged user ID"
            yield configuration.fault(name, told, _REMEDIES[name])
    if uids["mail_owner"] == uids["default_privs"] is not None:
        told = f"parameters default_privs and mail_owner specify the same user {configuration.value('mail_owner')}"
        yield configuration.fault("default_privs", told, _REMEDIES["default_privs"])
