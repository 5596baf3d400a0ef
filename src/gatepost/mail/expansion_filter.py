"""What may stand in replies where a `$name` is expanded (smtpd_expansion_filter, postscreen_expansion_filter of postconf(5))."""

from functools import lru_cache

from gatepost.mail.address import from_bytes, to_bytes


@lru_cache(maxsize=8)
def _allowed(parameter: str) -> frozenset[int]:
    """The octets that a filter names; it is written with the escapes of C."""
    return frozenset(parameter.encode("latin-1", "replace").decode("unicode_escape", "replace").encode("latin-1", "ignore"))


def passed(value: str, expansion_filter: str) -> str:
    """`value` with `_` for each octet that the filter does not name."""
    allowed, underscore = _allowed(expansion_filter), ord("_")
    return from_bytes(bytes(octet if octet in allowed else underscore for octet in to_bytes(value)))
