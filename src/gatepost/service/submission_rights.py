"""Who may submit mail with sendmail(1), and as whom: authorized_submit_users, local_login_sender_maps (postconf(5), postdrop(1)).

sendmail asks, so that its user hears of a refusal; pickup asks again, for whoever can write a file can fill the maildrop.
"""

from typing import TYPE_CHECKING

from gatepost.config.parameters import PARAMETERS
from gatepost.mail.address import domain_of, split
from gatepost.mail.ascii_text import elements

if TYPE_CHECKING:
    from gatepost.config.configuration import Configuration
    from gatepost.lookup.registry import Tables

_SUBMIT, _SENDERS = "authorized_submit_users", "local_login_sender_maps"
_NULL_KEY = "empty_address_local_login_sender_maps_lookup_key"


class NotAllowed(Exception):
    """A user may not submit mail, or not with this envelope sender."""


def everybody_may(configuration: "Configuration") -> bool:
    """Whether nothing is restricted, as is usual: then nobody need be asked about. Raises ConfigurationError."""
    return _is_default(configuration, _SUBMIT) and _is_default(configuration, _SENDERS)


async def check(configuration: "Configuration", uid: int, sender: str, tables: "Tables") -> None:
    """Whether a user may submit mail with this envelope sender (internal form). Raises NotAllowed; LookupFailure where a table, or
    the account database, cannot answer; ConfigurationError."""
    from gatepost.service.user_lists import user_listed, user_name

    if not await user_listed(configuration, _SUBMIT, uid, tables):
        raise NotAllowed(f"User {await user_name(uid, tables)}({uid}) is not allowed to submit mail")
    if _is_default(configuration, _SENDERS):
        return
    patterns = await _patterns(configuration, uid, tables)
    delimiters, null = configuration.value("recipient_delimiter"), configuration.value(_NULL_KEY)
    if not any(_allows(pattern, sender, delimiters, null) for pattern in patterns):
        raise NotAllowed(f"not authorized to use sender='{sender}'")


async def _patterns(configuration: "Configuration", uid: int, tables: "Tables") -> list[str]:
    """What local_login_sender_maps say of a user. Raises LookupFailure."""
    user = await tables.accounts.user_with_id(uid)
    found = await tables.maps(configuration.value(_SENDERS), _SENDERS).find(user.name if user else f"uid:{uid}")
    return elements(found or "")


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


def _is_default(configuration: "Configuration", name: str) -> bool:
    return configuration.value(name) == PARAMETERS[name].default
