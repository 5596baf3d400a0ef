"""The text of an alias file, `name: value, value` (aliases(5)), as postalias(1) reads it."""

import re
from collections.abc import Iterator

from gatepost.lookup.opening import Warn
from gatepost.lookup.table_text import logical_lines

_TOKEN = re.compile(r'(?:"(?:\\.|[^"\\])*"|\([^()]*\)|[^,"(]|.)', re.DOTALL)
_NAME = re.compile(r'\s*((?:"(?:\\.|[^"\\])*"|[^":#])+?)\s*:', re.DOTALL)


def looks_like_aliases(text: str) -> bool:
    """Whether every entry has the form `name: value`, so that the file is for postalias rather than postmap."""
    lines = [line for _, line in logical_lines(text)]
    return bool(lines) and all((match := _NAME.match(line)) and line[match.end() : match.end() + 1] in " \t" for line in lines)


def _unquote(name: str) -> str:
    return re.sub(r'"((?:\\.|[^"\\])*)"', lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), name)


def _values(text: str) -> list[str]:
    """The comma-separated members of an alias, comments left out, white space around them too."""
    values: list[str] = []
    current: list[str] = []
    for token in _TOKEN.findall(text):
        if token == ",":
            values.append("".join(current))
            current = []
        elif not token.startswith("("):
            current.append(token)
    values.append("".join(current))
    return [value.strip() for value in values if value.strip()]


def alias_entries(path: str, text: str, warn: Warn) -> Iterator[tuple[int, str, str]]:
    """(line number, name, members) of each alias, the members separated by `, `. What is none is reported and left out."""
    for number, line in logical_lines(text):
        match = _NAME.match(line)
        members = _values(line[match.end() :]) if match else []
        if not match or not members:
            warn(f"{path}, line {number}: need name:value pair")
            continue
        name = _unquote(match[1])
        if "@" in name:
            warn(f"{path}, line {number}: name must be local")
            continue
        yield number, name, ", ".join(members)
