"""Texts of LDAP: keys made harmless in a filter (RFC 4515) and in a distinguished name (RFC 4514), and LDAP URLs (RFC 4516)."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from msgspec import Struct

SCOPES: Mapping[str, int] = {"base": 0, "one": 1, "sub": 2}

_IN_FILTER = re.compile(r"[\0\\*()]")
_IN_DN = re.compile(r'[\0-\x1f\x7f]|[\\",+<>;=]|^[ #]| $')


def in_filter(key: str) -> str:
    """A part of a key as the value of a filter: it matches itself and nothing else."""
    return _IN_FILTER.sub(lambda match: f"\\{ord(match[0]):02x}", key)


def in_dn(key: str) -> str:
    """A part of a key as the value of an attribute in a name."""
    return _IN_DN.sub(lambda match: f"\\{ord(match[0]):02x}" if match[0] < " " or match[0] == "\x7f" else f"\\{match[0]}", key)


class LdapUrl(Struct, frozen=True):
    """`ldap://HOST/DN?ATTRIBUTES?SCOPE?FILTER`. `attributes`: empty for all."""

    dn: str
    attributes: tuple[str, ...] = ()
    scope: int = SCOPES["base"]
    filter: str = "(objectClass=*)"


_SCHEME = re.compile(r"ldap[si]?://[^/?]*/?", re.IGNORECASE)


def is_url(text: str) -> bool:
    return _SCHEME.match(text) is not None


def parse_url(text: str) -> LdapUrl:
    """Raises ValueError for a scope that there is not, or an extension that must be understood."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise ValueError("no LDAP URL")
    dn, attributes, scope, filter, extensions, *_ = *map(unquote, text[scheme.end() :].split("?")), "", "", "", "", ""
    if scope.lower() not in ("", *SCOPES):
        raise ValueError(f"unknown scope {scope}")
    if any(one.startswith("!") for one in extensions.split(",")):
        raise ValueError(f"unknown extension {extensions}")
    names = tuple(name for name in attributes.split(",") if name and name != "*")
    return LdapUrl(dn, names, SCOPES[scope.lower() or "base"], filter or LdapUrl("").filter)
