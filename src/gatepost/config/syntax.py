"""The surface of main.cf and master.cf: physical lines to logical lines, logical lines to `name = value` (postconf(5), master(5)).

A line that starts with white space continues the one before; empty lines and comment lines may stand between the two.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from gatepost.config.faults import Fault
from gatepost.mail.ascii_text import SPACE


class LogicalLine(Struct, frozen=True):
    """`text` with continuation lines joined; `first` and `last`: the physical lines it covers, from 1."""

    text: str
    first: int
    last: int

    @property
    def indented(self) -> bool:
        """The very first text of a file starts with white space: it continues nothing, and is no entry."""
        return bool(self.text) and self.text[0] in SPACE


class Setting(Struct, frozen=True):
    """One `name = value` of main.cf, unexpanded, and where it stands."""

    name: str
    value: str
    file: str
    line: int


class MainFile(Struct, frozen=True):
    """main.cf, read: the last setting of each name, what is doubtful and what is wrong."""

    settings: Mapping[str, Setting]
    warnings: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()


def is_comment(line: str) -> bool:
    """True of a line that carries nothing: white space alone, or `#` as its first text."""
    text = line.strip(SPACE)
    return not text or text.startswith("#")


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """The logical lines of a file, comments and empty lines left out, trailing white space removed. A NUL ends a logical line, as
    it ends the texts of C."""
    parts: list[str] = []
    first = last = 0
    for number, line in enumerate(text.split("\n"), 1):
        if is_comment(line):
            continue
        if line[0] not in SPACE and parts:
            yield _logical_line(parts, first, last)
            parts = []
        if not parts:
            first = number
        parts.append(line.rstrip("\r"))
        last = number
    if parts:
        yield _logical_line(parts, first, last)


def _logical_line(parts: list[str], first: int, last: int) -> LogicalLine:
    return LogicalLine("".join(parts).partition("\0")[0].rstrip(SPACE), first, last)


def name_and_value(text: str) -> tuple[str, str]:
    """Split `name = value`. Raises ValueError with Postfix's words where the text has not that form."""
    name, equals, value = text.partition("=")
    name = name.strip(SPACE)
    if equals and not name:
        raise ValueError(f'missing attribute name: "{text}"')
    if not equals or any(char in SPACE for char in name):
        raise ValueError(f"missing '=' after attribute name: \"{text}\"")
    return name, value.strip(SPACE)


def parse_main(text: str, file: str) -> MainFile:
    """Read the text of a main.cf. The last of several settings of a name counts, with a warning."""
    settings: dict[str, Setting] = {}
    warnings: list[Fault] = []
    faults: list[Fault] = []
    for line in logical_lines(text):
        if line.indented:
            remedy = "start the line at the left margin"
            warnings.append(Fault(file, line.first, f'logical line must not start with whitespace: "{line.text}"', remedy))
            continue
        try:
            name, value = name_and_value(line.text)
        except ValueError as problem:
            faults.append(Fault(file, line.first, str(problem), "write: name = value"))
            continue
        earlier = settings.get(name)
        if earlier and earlier.value != value:
            told = f"overriding earlier entry: {name}={earlier.value}"
            warnings.append(Fault(file, line.first, told, f"remove line {earlier.line} or this one"))
        settings[name] = Setting(name, value, file, line.first)
    return MainFile(settings, tuple(warnings), tuple(faults))
