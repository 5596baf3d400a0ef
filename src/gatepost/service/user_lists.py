"""Which users may do what: authorized_mailq_users, authorized_flush_users, authorized_submit_users (postconf(5))."""

import asyncio
import pwd

from gatepost.config.configuration import Configuration
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.opening import Warn
from gatepost.lookup.registry import Tables

_ANYONE = "static:anyone"


def user_name(uid: int) -> str:
    """The login name of a user, `unknown` where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "unknown"


async def user_listed(configuration: Configuration, parameter: str, uid: int, warn: Warn) -> bool:
    """Whether a user is in the list that `parameter` is. A table that cannot answer lists nobody. Raises ConfigurationError."""
    value = configuration.value(parameter)
    if value == _ANYONE:
        return True
    tables = Tables(warn)
    try:
        return await MatchList.strings(value, tables, parameter, warn).matches(user_name(uid))
    finally:
        tables.close()


def is_user_listed(configuration: Configuration, parameter: str, uid: int, warn: Warn) -> bool:
    """The same, where nothing else goes on."""
    if configuration.value(parameter) == _ANYONE:
        return True
    return asyncio.run(user_listed(configuration, parameter, uid, warn))
