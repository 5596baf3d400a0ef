"""The text of an alias file, `name: value, value` (aliases(5)), as postalias(1) reads it."""

import re
from collections.abc import Iterator

from gatepost.lookup.opening import Warn
from gatepost.lookup.table_text import is_utf8, logical_lines
from gatepost.mail.ascii_text import SPACE

# RFC 5322 tokens, as postalias tells them apart; a quoted string or comment may lack its end.
_TOKEN = re.compile(
    r'(?P<space>\s++)|(?P<word>"(?:\\.|[^"\\])*+"?|\((?:\\.|[^()\\])*+\)?|(?:\\.|[^\s",:;<>@()\\])++)|(?P<special>.)',
    re.DOTALL | re.ASCII,
)
_NAME = re.compile(r'\s*+((?:"(?:\\.|[^"\\])*+"|[^":])++):', re.DOTALL | re.ASCII)
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*+)"', re.DOTALL)


def looks_like_aliases(text: str) -> bool:
    """Whether every entry has the form `name: value`, so that the file is for postalias rather than postmap."""
    lines = [line for _, line in logical_lines(text)]
    return bool(lines) and all((match := _NAME.match(line)) and line[match.end() : match.end() + 1] in SPACE for line in lines)


def _unquote(name: str) -> str:
    return _QUOTED.sub(lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), name)


def _members(text: str) -> str:
    """The members of an alias written the one way: a space after a comma, and between words that had any."""
    out: list[str] = []
    spaced, previous = False, ""
    for token in _TOKEN.finditer(text):
        kind, written = token.lastgroup or "", token[0]
        if kind == "space":
            spaced = True
            continue
        if previous == "comma" or (spaced and kind == previous == "word"):
            out.append(" ")
        if written.startswith('"') and (len(written) == 1 or not written.endswith('"')):
            written += '"'
        elif "\\" in written and written[0] not in '"(':
            written = '"' + re.sub(r"\\(.)", r"\1", written) + '"'
        out.append(written)
        spaced, previous = False, "comma" if written == "," else kind
    return "".join(out)


def alias_entries(path: str, text: str, warn: Warn, start: int = 1) -> Iterator[tuple[int, str, str]]:
    """(line number, name, members) of each alias, the members separated by `, `. What is none is reported and left out. `start`:
    the number of the first line."""
    for number, line in logical_lines(text, path, warn, start):
        if not line.isascii() and not is_utf8(path, number, line, warn):
            continue
        match = _NAME.match(line)
        members = _members(line[match.end() :]) if match else ""
        if not match or not members:
            warn(f"{path}, line {number}: need name:value pair")
            continue
        name = match[1].rstrip(SPACE)
        if "@" in _QUOTED.sub("", name):
            warn(f"{path}, line {number}: name must be local")
            continue
        yield number, _unquote(name), members
