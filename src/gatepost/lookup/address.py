"""Which keys an address is looked up by, and in what order: the partial keys of Postfix's address tables.

canonical(5), virtual(5), transport(5), access(5), relocated(5) each document their order; all are made of the same steps.
A table whose keys are patterns sees the whole address only.
"""

import enum
from collections.abc import Awaitable, Callable, Iterator

from msgspec import Struct

from gatepost.lookup.match_list import name_and_dotted_parents, name_and_parents
from gatepost.lookup.registry import Maps
from gatepost.mail.address import external


class Keys(enum.Flag):
    """The steps, in the order in which they are taken."""

    FULL = enum.auto()
    """user+extension@domain"""
    NO_EXTENSION = enum.auto()
    """user@domain"""
    USER_IF_LOCAL = enum.auto()
    """user+extension and user, where the domain is $myorigin or ours ($mydestination, our addresses)"""
    AT_DOMAIN = enum.auto()
    """@domain"""
    DOMAIN = enum.auto()
    """domain, and its parents as `.parent` …"""
    PARENTS = enum.auto()
    """… or, where parent_domain_matches_subdomains says so, as `parent`"""
    USER_AT = enum.auto()
    """user+extension@ and user@"""

    REWRITE = FULL | NO_EXTENSION | USER_IF_LOCAL | AT_DOMAIN
    """canonical_maps, virtual_alias_maps, relocated_maps, *_bcc_maps, recipient maps"""
    TRANSPORT = FULL | NO_EXTENSION | DOMAIN
    ACCESS = FULL | NO_EXTENSION | DOMAIN | USER_AT


class Match(Struct, frozen=True):
    """`value`: the answer. `key`: what it is the answer to. `extension`: the address extension that the key lacks, with its
    delimiter, empty where there is none (for propagate_unmatched_extensions). `table`: who answered, from which `line` (0: not
    known)."""

    value: str
    key: str
    extension: str = ""
    table: str = ""
    line: int = 0


IsLocal = Callable[[str], Awaitable[bool]]
"""Whether a domain is $myorigin or one that is delivered locally."""


def split_extension(local: str, delimiters: str, *, owner_request_special: bool = True) -> tuple[str, str]:
    """(user, extension with its delimiter) of a local part, split at the first of `delimiters` (recipient_delimiter).

    The mail system's own names have none; with owner_request_special, neither have `owner-list` and `list-request` where `-` is
    a delimiter. A user name is never empty.
    """
    if not delimiters:
        return local, ""
    lowered = local.lower()
    if lowered in ("mailer-daemon", "double-bounce"):
        return local, ""
    if owner_request_special and "-" in delimiters and (lowered.startswith("owner-") or lowered.endswith("-request")):
        return local, ""
    for index, character in enumerate(local):
        if character in delimiters:
            return (local[:index], local[index:]) if index else (local, "")
    return local, ""


def _written(local: str, at_domain: str) -> Iterator[str]:
    """The quoted form of an address, which is what tables hold, then the other where it differs."""
    plain = local + at_domain
    quoted = external(plain) if at_domain != "@" else external(local) + "@"
    yield quoted
    if quoted != plain:
        yield plain


async def find_address(
    maps: Maps,
    address: str,
    keys: Keys,
    *,
    delimiters: str = "",
    is_local: IsLocal | None = None,
    owner_request_special: bool = True,
) -> Match | None:
    """The first answer for `address` (internal form) among the keys that it makes; None where there is none.

    `delimiters` is recipient_delimiter. Raises LookupFailure.
    """
    if maps.empty:
        return None
    local, at, domain = address.rpartition("@") if "@" in address else (address, "", "")
    user, extension = split_extension(local, delimiters, owner_request_special=owner_request_special)
    at_domain = at + domain
    whole, bare = (local, ""), (user, extension)
    users = (whole, bare) if extension else (whole,)

    async def ask(name: str, tail: str, lost: str, partial: bool = True) -> Match | None:
        for key in _written(name, tail):
            found = await maps.find_at(key, partial=partial)
            if found is not None:
                return Match(found[0], key, lost, found[1], found[2])
        return None

    if Keys.FULL in keys and (match := await ask(local, at_domain, "", partial=False)):
        return match
    if Keys.NO_EXTENSION in keys and extension and (match := await ask(user, at_domain, extension)):
        return match
    if not at:
        return None
    if Keys.USER_IF_LOCAL in keys and is_local is not None and await is_local(domain):
        for name, lost in users:
            if match := await ask(name, "", lost):
                return match
    if Keys.AT_DOMAIN in keys and (found := await maps.find_at(at_domain, partial=True)):
        return Match(found[0], at_domain, "", found[1], found[2])
    if Keys.DOMAIN in keys and (match := await find_domain(maps, domain, parents=Keys.PARENTS in keys)):
        return match
    if Keys.USER_AT in keys:
        for name, lost in users:
            if match := await ask(name, "@", lost):
                return match
    return None


async def find_domain(maps: Maps, domain: str, *, parents: bool, whole: bool = False) -> Match | None:
    """The first answer for a domain or its parents; `parents`: those are looked up as `parent`, else as `.parent`.

    `whole`: the domain itself is all there is (a host name), so tables with patterns are asked for it. Raises LookupFailure.
    """
    for key in name_and_parents(domain) if parents else name_and_dotted_parents(domain):
        found = await maps.find_at(key, partial=not (whole and key == domain))
        if found is not None:
            return Match(found[0], key, "", found[1], found[2])
    return None
