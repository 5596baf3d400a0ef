"""Regular expressions of the program mean the same in every Python that it runs on."""

import importlib
import pkgutil
import re
import re._constants as constants
import re._parser as parser
from collections.abc import Iterator

import gatepost

_REPEATS = {constants.POSSESSIVE_REPEAT, constants.MAX_REPEAT, constants.MIN_REPEAT}


def _patterns() -> "dict[str, re.Pattern[str] | re.Pattern[bytes]]":
    """Those that modules hold, by place."""
    found: dict[str, re.Pattern[str] | re.Pattern[bytes]] = {}
    for module in pkgutil.walk_packages(gatepost.__path__, "gatepost."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
            for number, one in enumerate(one for one in held if isinstance(one, re.Pattern)):
                found[f"{module.name}.{name}.{number}"] = one
    return found


def _parts(pattern: object) -> Iterator[tuple[object, object]]:
    """Every operation of a parsed expression, with what it has."""
    if isinstance(pattern, parser.SubPattern):
        for operation, has in pattern:
            yield operation, has
            yield from _parts(has)
    elif isinstance(pattern, list | tuple):
        for one in pattern:
            yield from _parts(one)


def _may_keep_a_failed_try(pattern: "re.Pattern[str] | re.Pattern[bytes] | str") -> bool:
    """Whether a group that is repeated possessively goes on, or has begun, when a repeat inside it is over."""
    text, flags = (pattern, 0) if isinstance(pattern, str) else (pattern.pattern, pattern.flags)
    groups = (has[2] for operation, has in _parts(parser.parse(text, flags)) if operation is constants.POSSESSIVE_REPEAT)  # type: ignore[index]
    return any(len(group) > 1 and any(operation in _REPEATS for operation, _ in group) for group in groups)


def test_no_failed_try_of_a_group_is_kept() -> None:
    """Python 3.11.2, Debian 12's, keeps what the last, failed try of such a group has passed (gh-106052, mended in 3.11.5):
    `(?:>*+a)*+` takes the `>` of `>b`, and a line of mail loses it. `(?>(?:>*+a)*)` means the same and is right everywhere."""
    patterns = _patterns()
    assert len(patterns) > 100
    assert not [place for place, pattern in patterns.items() if _may_keep_a_failed_try(pattern)]


def test_what_the_test_would_find() -> None:
    assert _may_keep_a_failed_try(r"(?:>*+a)*+") and _may_keep_a_failed_try(r"x(?: [a-z]++)++y")
    assert not _may_keep_a_failed_try(r"[>a]*+b++(?:a|\\.)*+") and not _may_keep_a_failed_try(r"(?>(?:>*+a)*)")
