"""Changes to main.cf and master.cf as text: what is not asked for stays as it was written, comments above all.

Everything here is text in, text out; `rewrite` alone touches a file.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from gatepost.config.command_line import option_words
from gatepost.config.layout import service_line
from gatepost.config.master import FIELDS, ServiceEntry, parse_entry, refuse_bad_field
from gatepost.config.syntax import LogicalLine, is_comment
from gatepost.mail.ascii_text import SPACE

Change = Callable[[str, list[str]], list[str]]
"""From a parameter name and the physical lines of its setting to the lines that replace them."""


class Edited(Struct, frozen=True):
    """The new text, and what was met: how often each of the names asked for stood in the file."""

    text: str
    met: Mapping[str, int]


def set_parameters(text: str, values: Mapping[str, str]) -> Edited:
    """Give main.cf these settings; those it does not have yet are added at the end."""
    edited = _edit_main(text, values, lambda name, lines: [f"{name} = {values[name]}\n", *filter(is_comment, lines)])
    added = "".join(f"{name} = {value}\n" for name, value in values.items() if name not in edited.met)
    return Edited(_ended(edited.text) + added if added else edited.text, edited.met)


def remove_parameters(text: str, names: Mapping[str, str]) -> Edited:
    """Take these settings out of main.cf; comments between their lines stay."""
    return _edit_main(text, names, lambda name, lines: list(filter(is_comment, lines)))


def comment_parameters(text: str, names: Mapping[str, str]) -> Edited:
    """Turn these settings of main.cf into comments."""
    return _edit_main(text, names, lambda name, lines: _commented(lines))


def _edit_main(text: str, names: Mapping[str, str], change: Change) -> Edited:
    met: dict[str, int] = {}
    out: list[str] = []
    for lines in _entries(text):
        name = lines[0].partition("=")[0].strip(SPACE)
        if name in names and not is_comment(lines[0]) and lines[0][0] not in SPACE:
            met[name] = met.get(name, 0) + 1
            lines = change(name, lines)
        out.extend(lines)
    return Edited("".join(out), met)


ServiceChange = Callable[[ServiceEntry], ServiceEntry | None]
"""From a service to what it becomes; None: it is removed; the same one: its lines stay as they are."""


def change_services(text: str, file: str, change: ServiceChange) -> str:
    """Let `change` decide on every service of master.cf. Comments within a changed one move before it. Raises FaultyEntry."""
    out: list[str] = []
    for lines, entry in _services(text, file):
        changed = change(entry) if entry else None
        if entry is None or changed is entry:
            out.extend(lines)
            continue
        out.extend(filter(is_comment, lines))
        if changed:
            out.append(written(changed))
    return "".join(out)


def comment_services(text: str, file: str, wanted: Callable[[ServiceEntry], bool]) -> str:
    """Turn services of master.cf into comments. Raises FaultyEntry."""
    return "".join("".join(_commented(lines) if entry and wanted(entry) else lines) for lines, entry in _services(text, file))


def add_service(text: str, entry: ServiceEntry) -> str:
    """master.cf with one more service at its end."""
    return _ended(text) + written(entry)


def written(entry: ServiceEntry) -> str:
    """The lines of a service."""
    return service_line(entry.fields, entry.arguments, folded=True) + "\n"


def with_field(entry: ServiceEntry, field: str, value: str) -> ServiceEntry:
    """The service with one field changed; the `command` field holds the arguments too. Raises FaultyEntry."""
    refuse_bad_field(field, value, LogicalLine(value, entry.line, entry.line), entry.file)
    fields = dict(zip(FIELDS, entry.fields, strict=True))
    fields[field] = value
    line = " ".join(fields.values())
    changed = parse_entry(LogicalLine(line, entry.line, entry.line), entry.file)
    arguments = changed.arguments if field == "command" else entry.arguments
    return ServiceEntry(changed.fields, arguments, entry.file, entry.line)


def with_parameter(entry: ServiceEntry, name: str, value: str | None) -> ServiceEntry:
    """The service with `-o name=value` in the place of the setting it has, else after its options; None takes it away."""
    wanted = [] if value is None else ["-o", f"{name}={value}"]
    out: list[str] = []
    placed = False
    options = list(option_words(entry.arguments[: len(entry.arguments) - len(entry.command_arguments)]))
    closing = options.pop()[0] if options and options[-1][0] == ("--",) else ()
    for words, setting in options:
        if setting != name:
            out.extend(words)
        elif not placed:
            out.extend(wanted)
            placed = True
    out.extend([] if placed else wanted)
    return ServiceEntry(entry.fields, (*out, *closing, *entry.command_arguments), entry.file, entry.line)


def rewrite(path: Path, text: str) -> None:
    """Replace the content of a file in one step, durable when this returns; mode and owner stay. Raises OSError."""
    before = path.stat()
    handle, name = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            os.fchmod(handle, before.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.fchown(handle, before.st_uid, before.st_gid)
            stream.write(text)
            stream.flush()
            os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def _entries(text: str) -> Iterator[list[str]]:
    """Physical lines, those of one logical line together (with the comments between them), any others alone."""
    held: list[str] = []
    comments: list[str] = []
    for line in _LINE.findall(text):
        if is_comment(line):
            comments.append(line)
        elif line[0] in SPACE and held:
            held += [*comments, line]
            comments = []
        else:
            if held:
                yield held
            yield from ([comment] for comment in comments)
            held, comments = [line], []
    if held:
        yield held
    yield from ([comment] for comment in comments)


def _services(text: str, file: str) -> Iterator[tuple[list[str], ServiceEntry | None]]:
    number = 1
    for lines in _entries(text):
        entry = None
        if not is_comment(lines[0]) and lines[0][0] not in SPACE:
            joined = "".join(line.rstrip("\r\n") for line in lines if not is_comment(line)).rstrip(SPACE)
            entry = parse_entry(LogicalLine(joined, number, number + len(lines) - 1), file)
        yield lines, entry
        number += len(lines)


def _commented(lines: list[str]) -> list[str]:
    return [line if is_comment(line) else f"#{line}" for line in lines]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
