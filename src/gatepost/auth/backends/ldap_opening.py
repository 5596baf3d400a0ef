"""A directory of users, out of the parameters of `ldap:NAME` (in main.cf as NAME_..., or in the file that NAME is)."""

from typing import Final

from msgspec.structs import replace

from gatepost.auth.backends.ldap import Directory, Groups, Server, Users
from gatepost.lookup import ldap_settings, libldap
from gatepost.lookup.ldap_bind import binder
from gatepost.lookup.ldap_connection import connector
from gatepost.lookup.ldap_text import SCOPES
from gatepost.lookup.library import not_installed
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.lookup.server_access import ANSWER_LIMIT
from gatepost.lookup.server_parameters import TableParameters, format_of, read_parameters, required
from gatepost.lookup.server_pool import ServerPool

_ANYBODY: Final = "(uid=%s)"
_ANY_GROUP: Final = "(objectClass=*)"


def open_directory(opening: Opening) -> Directory:
    """To be called in the event loop. Raises Unavailable for a mistake in the parameters, or where the library is missing."""
    parameters = read_parameters(opening)
    # A referral would hand the password to whomever a server names.
    access = replace(ldap_settings.access(parameters, opening.warn), referrals=False)
    users, groups = _users(parameters), _groups(parameters)
    urls = ldap_settings.servers(parameters)
    try:
        library = libldap.library()
    except libldap.LibraryMissing as missing:
        raise not_installed(opening.spec, str(missing), ", and install the system's libldap") from None
    rules, network = opening.tables.access.rules(access.timeout), opening.tables.access.network
    servers = [
        Server(
            ServerPool(
                url,
                connector(library, url, access, ANSWER_LIMIT),
                rules,
                network,
                lambda news: opening.warn(str(news)),
                opening.spec,
            ),
            binder(library, url, access, ANSWER_LIMIT),
        )
        for url in urls
    ]
    return Directory(opening.spec, users, groups, servers, access.timeout, opening.warn)


def _users(parameters: TableParameters) -> Users:
    required(parameters, ("search_base",))
    filter = format_of(parameters, "query_filter", _ANYBODY)
    if not filter.letters:
        raise parameters.wrong("query_filter", "it has no % letter for the login name, so that everybody would be the same user")
    return Users(format_of(parameters, "search_base", ""), parameters.choice("scope", SCOPES, "sub"), filter)


def _groups(parameters: TableParameters) -> Groups | None:
    base, member = parameters.text("group_search_base"), parameters.text("group_member_attribute")
    if not base:
        for name in ("group_filter", "group_member_attribute"):
            if parameters.text(name):  # who may send was meant to be limited
                raise Unavailable(parameters.spec, f"{parameters.spec}: {name} is set, and group_search_base is not")
        return None
    filter = format_of(parameters, "group_filter", _ANY_GROUP)
    if not member and not filter.letters:
        raise Unavailable(
            parameters.spec,
            f"{parameters.spec}: nothing says who is in a group: set group_member_attribute (member), or write memberUid=%u"
            " into group_filter",
        )
    if not filter.text.startswith("("):
        raise parameters.wrong("group_filter", "a filter begins with a parenthesis")
    return Groups(base, filter, member)
