"""How settings and services are written: for display by postconf(1), and for the files that it edits.

White space within a value counts as one space; `fold` breaks lines that are long for human eyes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from gatepost.mail.ascii_text import BLANKS, SPACE

WIDTH = 80
"""Columns that a folded line of main.cf may fill; of master.cf one less."""

INDENT = "    "

_WORD = re.compile(rf"[^{BLANKS}]+")
_COLUMNS = (0, 11, 17, 25, 33, 41, 49, 57)
"""Where the eight fields of a service begin, where the ones before leave room."""


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(_WORD.findall(text))


def fold(text: str) -> str:
    """The text in lines that fit, the second and following ones indented; long words stay whole."""
    return _lines(([word] for word in _WORD.findall(text)), WIDTH)


def service_line(fields: Sequence[str], arguments: Iterable[str], *, folded: bool) -> str:
    """One entry of master.cf, its eight fields in columns; folded, each `-o name=value` has a line of its own."""
    head = ""
    for column, field in zip(_COLUMNS, fields, strict=True):
        head = f"{head} ".ljust(column) + field if head else field
    words = _with_options(arguments)
    if not folded:
        return " ".join([head, *(word for group in words for word in group)])
    return _lines(words, WIDTH - 1, head)


def argument(text: str) -> str:
    """A command argument as master.cf wants it: in braces where it holds white space."""
    return f"{{{text}}}" if any(char in SPACE for char in text) else text


def _with_options(arguments: Iterable[str]) -> Iterator[list[str]]:
    """Arguments as written; an `-o` and its value stay together."""
    waiting = iter(arguments)
    in_options = True
    for text in waiting:
        in_options = in_options and text.startswith("-")
        value = next(waiting, None) if in_options and text.endswith("o") else None
        yield [argument(text)] if value is None else [argument(text), argument(value)]


def _lines(groups: Iterable[list[str]], width: int, head: str = "") -> str:
    done: list[str] = []
    line = head
    alone = False
    for group in groups:
        text = " ".join(group)
        pair = len(group) > 1
        if line and (pair or alone or len(line) + 1 + len(text) > width):
            done.append(line)
            line = INDENT + text
        else:
            line = f"{line} {text}" if line else text
        alone = pair
    return "\n".join([*done, line])
