"""A rule file, cut into lines that say something (Conf(3pm), FILE FORMAT)."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

LONGEST: Final = 65_536
"""Octets of a line."""

_COMMENT: Final = re.compile(r"(?<!\\)#.*", re.DOTALL)
_UPDATE: Final = re.compile(r"^#[ \t]*UPDATE version[ \t]+(\S+)", re.MULTILINE)
_LANG: Final = re.compile(r"lang\s+(\S+)\s+(.*)\Z", re.DOTALL)


class Line(Struct, frozen=True):
    """A line. `word`: in lower case. `value`: what follows it, without blanks around it. `translated`: it is one of `lang`."""

    number: int
    word: str
    value: str
    translated: bool = False


def lines(octets: bytes, languages: Sequence[str]) -> Iterator[Line]:
    """The lines of a file, octets as characters. `languages`: those whose `lang xx` lines count (`de`, `pt_BR`)."""
    for number, text in enumerate(octets.decode("latin-1").split("\n"), 1):
        stripped = _COMMENT.sub("", text[: LONGEST + 1]).strip(" \t\r\n\f\v").replace("\\#", "#")
        if not stripped:
            continue
        translated = _LANG.match(stripped)
        if translated:
            if translated.group(1) not in languages:
                continue
            stripped = translated.group(2)
        word, value = (*re.split(r"\s+", stripped, maxsplit=1), "")[:2]
        yield Line(number, word.lower().replace("-", "_"), value.strip(), translated is not None)


def versions(octets: bytes) -> list[str]:
    """The versions that `# UPDATE version` comments name."""
    return _UPDATE.findall(octets.decode("latin-1"))
