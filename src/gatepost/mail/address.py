"""Mail addresses in internal form, and their quoted (external) form.

Internal form: `local@domain` with the local part unquoted (RFC 5321 quoted-string removed), split at the
last `@`. Octets that are not UTF-8 are kept as surrogate escapes, so that nothing is lost between wire and wire.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

# RFC 5321 §4.1.2 dot-string, plus non-ASCII (RFC 6531 §3.3): what needs no quotes.
_DOT_STRING = re.compile(r"[^\x00-\x20()<>\[\]:;@\\,.\"\x7f]+(?:\.[^\x00-\x20()<>\[\]:;@\\,.\"\x7f]+)*\Z")


def split(address: str) -> tuple[str, str]:
    """(local part, domain) of `address`, split at the last `@`; the domain is empty where there is none."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (address, "")


def domain_of(address: str) -> str:
    """The domain of `address`, or an empty string."""
    return address.rpartition("@")[2] if "@" in address else ""


def quote_local(local: str) -> str:
    """`local` as RFC 5321 §4.1.2 writes it: as it stands if it is a dot-string, else a quoted-string."""
    if _DOT_STRING.match(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


_LONGEST_KEPT = 256


def external(address: str) -> str:
    """The quoted form of an internal address, as on the wire and in headers; an empty address stays empty."""
    # An address is written some seven times on its way: commands, headers, log lines. A cache of long ones would hold megabytes.
    return _kept(address) if len(address) <= _LONGEST_KEPT else _external(address)


def _external(address: str) -> str:
    if not address:
        return ""
    local, at, domain = address.rpartition("@")
    if not at:
        return quote_local(address)
    return f"{quote_local(local)}@{domain}"


_kept = lru_cache(1024)(_external)

AS_LOGGED: Final[Mapping[str, Callable[[str], str]]] = {"external": external, "internal": str}
"""How an address is written in the log, by info_log_address_format."""


# RFC 5322 §3.2.3: characters that may stand anywhere but at the ends, and the dot, which may not be doubled either.
_HARMLESS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~."


def all_plain(addresses: Sequence[str]) -> bool:
    """Whether it is certain that `external` writes all of these as they stand, and that they are printable ASCII without quotes or
    backslashes. One look at a thousand of them costs a tenth of what a look at each does."""
    lines = ".\n.".join(("", *addresses, ""))  # with a dot at either end, those at the ends of an address are doubled, too
    if not lines.isascii() or ".." in lines or ".@" in lines:
        return False
    left = lines.encode().translate(None, _HARMLESS)
    return left.count(b"\n") == len(addresses) + 1 and b"@@" not in left and not left.translate(None, b"@\n")


_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"(@.*)?\Z', re.DOTALL)


def internal(text: str) -> str:
    """The internal form of an address that `external` wrote; any other text as it stands."""
    match = _QUOTED.match(text)
    return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL) + (match[2] or "") if match else text


def to_bytes(address: str) -> bytes:
    """`address` as octets: UTF-8, with surrogate escapes turned back into what came in."""
    return address.encode("utf-8", "surrogateescape")


def is_octets(text: str) -> bool:
    """Whether `to_bytes` can write `text`: JSON and the escapes of RFC 6533 can spell surrogates that no octet stands for."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def from_bytes(octets: bytes) -> str:
    """Octets as text: UTF-8, other octets as surrogate escapes."""
    return octets.decode("utf-8", "surrogateescape")
