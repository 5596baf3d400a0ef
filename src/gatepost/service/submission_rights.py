"""Who may submit mail with sendmail(1), and as whom: authorized_submit_users, local_login_sender_maps (postconf(5), postdrop(1)).

sendmail asks, so that its user hears of a refusal; pickup asks again, for whoever can write a file can fill the maildrop.
"""

import pwd
from collections.abc import Callable
from typing import TYPE_CHECKING

from gatepost.config.parameters import PARAMETERS
from gatepost.mail.address import domain_of, split

if TYPE_CHECKING:
    from gatepost.config.configuration import Configuration

_SUBMIT, _SENDERS = "authorized_submit_users", "local_login_sender_maps"
_NULL_KEY = "empty_address_local_login_sender_maps_lookup_key"


class NotAllowed(Exception):
    """A user may not submit mail, or not with this envelope sender."""


def everybody_may(configuration: "Configuration") -> bool:
    """Whether nothing is restricted, as is usual: then nobody need be asked about. Raises ConfigurationError."""
    return _is_default(configuration, _SUBMIT) and _is_default(configuration, _SENDERS)


async def check(configuration: "Configuration", uid: int, sender: str, warn: Callable[[str], None]) -> None:
    """Whether a user may submit mail with this envelope sender (internal form). Raises NotAllowed; LookupFailure where a table
    cannot answer; ConfigurationError."""
    from gatepost.service.user_lists import user_listed, user_name

    if not await user_listed(configuration, _SUBMIT, uid, warn):
        raise NotAllowed(f"User {user_name(uid)}({uid}) is not allowed to submit mail")
    if _is_default(configuration, _SENDERS):
        return
    patterns = await _patterns(configuration, uid, warn)
    delimiters, null = configuration.value("recipient_delimiter"), configuration.value(_NULL_KEY)
    if not any(_allows(pattern, sender, delimiters, null) for pattern in patterns):
        raise NotAllowed(f"not authorized to use sender='{sender}'")


async def _patterns(configuration: "Configuration", uid: int, warn: Callable[[str], None]) -> list[str]:
    """What local_login_sender_maps say of a user. Raises LookupFailure."""
    from gatepost.lookup.registry import Tables

    tables = Tables(warn)
    try:
        found = await tables.maps(configuration.value(_SENDERS), _SENDERS).find(_login(uid))
    finally:
        tables.close()
    return (found or "").replace(",", " ").split()


def _allows(pattern: str, sender: str, delimiters: str, null: str) -> bool:
    """Whether a pattern allows a sender: `*`, `@domain`, an address without regard to extension and case, or `null`, for `<>`."""
    from gatepost.lookup.address import split_extension

    if pattern == "*":
        return True
    if not sender:
        return pattern == null
    if pattern.startswith("@"):
        return domain_of(sender).lower() == pattern[1:].lower()
    local, domain = split(sender)
    bare = split_extension(local, delimiters)[0] if delimiters else local
    return (f"{bare}@{domain}" if domain else bare).lower() == pattern.lower()


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


def _is_default(configuration: "Configuration", name: str) -> bool:
    return configuration.value(name) == PARAMETERS[name].default
