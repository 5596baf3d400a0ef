"""Regular expressions of the program mean the same in every Python that it runs on."""

import importlib
import pkgutil
import re
import re._constants as constants
import re._parser as parser
from collections.abc import Iterator

import gatepost

_ONE_CHARACTER = {constants.IN, constants.LITERAL, constants.NOT_LITERAL, constants.ANY, constants.CATEGORY}


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


def _takes_a_group_for_ever(pattern: "re.Pattern[str] | re.Pattern[bytes] | str") -> bool:
    text, flags = (pattern, 0) if isinstance(pattern, str) else (pattern.pattern, pattern.flags)
    return any(
        operation is constants.POSSESSIVE_REPEAT and (len(has[2]) != 1 or has[2][0][0] not in _ONE_CHARACTER)  # type: ignore[index]
        for operation, has in _parts(parser.parse(text, flags))
    )


def test_groups_are_not_repeated_possessively() -> None:
    """Python 3.11.2, Debian 12's, leaves what the last, failed try of the group has passed (gh-106052, mended in 3.11.5):
    `(?:>a)*+` takes the `>` of `>b`, and a line of mail loses it. Of single characters `x*+` is right everywhere."""
    patterns = _patterns()
    assert len(patterns) > 100
    assert not [place for place, pattern in patterns.items() if _takes_a_group_for_ever(pattern)]


def test_what_the_test_would_find() -> None:
    assert _takes_a_group_for_ever(r"(?:>a)*+") and _takes_a_group_for_ever(r"x|(?:a|\\.)++y")
    assert not _takes_a_group_for_ever(r"[>a]*+b++.?+\d{2,3}+") and not _takes_a_group_for_ever(r"(?:>+a)*")
