"""Paths with `$name`s in them, such as forward_path: whether the agent finds that one may stand for an account. What the system
says of the account is fixed; what a message says may be any name in a directory, and none that leads out of it."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from gatepost.config.expand import ExpansionError, references
from gatepost.deliver.local_names import Rights, censored, expand_names

_OF_MESSAGE = frozenset(
    (
        "extension", "recipient_delimiter", "domain", "local", "recipient", "client_address", "client_helo", "client_hostname",
        "client_protocol", "sasl_method", "sasl_sender", "sasl_username",
    )
)  # fmt: skip
_LONGEST = 4096  # characters; no system call takes a longer path
_MOST = 4  # such names in one path, each of which may have a value or none
_MARK = re.compile("\0([a-z_]+)\0")


def is_path_of(path: str, template: str, user: Rights, delimiters: str, allowed: str) -> bool:
    """Whether `template` may come to `path` for a message to `user`. `delimiters`: recipient_delimiter; `allowed`: characters of an
    expansion."""
    return (
        len(path) <= _LONGEST
        and ".." not in path.split("/")
        and any(pattern.fullmatch(path) for pattern in _patterns(template, user, delimiters, allowed))
    )


@lru_cache(1024)
def _patterns(template: str, user: Rights, delimiters: str, allowed: str) -> tuple[re.Pattern[str], ...]:
    try:
        names = sorted(_OF_MESSAGE & set(references(template)))[:_MOST]
        return tuple(_pattern(template, user, delimiters, allowed, given) for given in _subsets(names))
    except ExpansionError:
        return ()


def _subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    for count in range(len(names) + 1):
        yield from combinations(names, count)


def _pattern(template: str, user: Rights, delimiters: str, allowed: str, given: tuple[str, ...]) -> re.Pattern[str]:
    """What the template comes to where the message gives a value to `given`, and to nothing else. Raises ExpansionError."""
    known = {"user": user.name, "home": user.home, "shell": user.shell}
    values = {name: censored(value, allowed) for name, value in known.items()} | {name: f"\0{name}\0" for name in given}
    pieces = _MARK.split(expand_names(template, lambda name: values.get(name, ""), None).text)
    one_of = f"[{re.escape(delimiters)}]" if delimiters else "(?!)"
    wild = {"recipient_delimiter": one_of}
    parts = (wild.get(piece, "[^/]+") if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
    return re.compile("".join(parts), re.DOTALL)
