"""Patterns of addresses and names as settings of rule files write them: `*` for any octets, `?` for one."""

import functools
import re


@functools.lru_cache(64)
def globs(patterns: tuple[str, ...]) -> re.Pattern[bytes]:
    """One expression for several patterns, to be matched with all of a text (`fullmatch`), in any case."""
    return re.compile("|".join(_expression(pattern) for pattern in patterns).encode() or b"(?!)", re.IGNORECASE | re.DOTALL)


def _expression(pattern: str) -> str:
    """What stands between two stars is looked for where it comes first, and never again: so it costs no more than the text."""
    first, *others = ["".join("." if one == "?" else re.escape(one) for one in piece) for piece in pattern.split("*")]
    if not others:
        return first
    return first + "".join(f"(?>.*?{piece})" for piece in others[:-1]) + f".*{others[-1]}"
