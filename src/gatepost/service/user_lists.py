"""Which users may do what: authorized_mailq_users, authorized_flush_users, authorized_submit_users (postconf(5))."""

from gatepost.config.configuration import Configuration
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables

_ANYONE = "static:anyone"


async def user_name(uid: int, tables: Tables) -> str:
    """The login name of a user, `unknown` where there is none. Raises LookupFailure."""
    user = await tables.accounts.user_with_id(uid)
    return user.name if user else "unknown"


async def user_listed(configuration: Configuration, parameter: str, uid: int, tables: Tables) -> bool:
    """Whether a user is in the list that `parameter` is. A table that cannot answer lists nobody. Raises LookupFailure where it is
    not known who that is; ConfigurationError."""
    value = configuration.value(parameter)
    if value == _ANYONE:
        return True
    return await MatchList.strings(value, tables, parameter, tables.warn).matches(await user_name(uid, tables))
