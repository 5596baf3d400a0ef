"""Patterns of addresses and names as settings of rule files write them: `*` for any octets, `?` for one."""

import functools
import re


@functools.lru_cache(64)
def globs(patterns: tuple[str, ...], any_of: str = ".") -> re.Pattern[bytes]:
    """One expression for several patterns, which fits all of a text in any case. `any_of`: what `*` and `?` stand for."""
    return re.compile("|".join(_expression(pattern, any_of) for pattern in patterns).encode() or b"(?!)", re.IGNORECASE | re.DOTALL)


def _expression(pattern: str, any_of: str) -> str:
    return "".join(f"{any_of}*" if one == "*" else any_of if one == "?" else re.escape(one) for one in pattern)
