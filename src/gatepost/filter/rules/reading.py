"""Rule files read into a `Ruleset`, as SpamAssassin reads them (Mail::SpamAssassin::Conf(3pm)).

A bad line costs that line, an unreadable file that file; both are faults of the result. Nothing that a file says is run, and
`include` leads nowhere outside the folders that were given.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gatepost.filter.rules import lines
from gatepost.filter.rules.book import Book
from gatepost.filter.rules.conditions import VERSION, holds
from gatepost.filter.rules.definitions import DEFINITIONS, LOOKUPS, lookup, name_and_rest
from gatepost.filter.rules.expressions import NotUnderstood
from gatepost.filter.rules.lines import Line
from gatepost.filter.rules.plugins import PLUGINS, loaded_as
from gatepost.filter.rules.ruleset import Ruleset, Sample
from gatepost.filter.rules.settings import known, present

LARGEST: Final = 16 << 20
"""Octets of a file."""
MOST: Final = 64 << 20
"""Octets of all files."""
FILES: Final = 2_000
LONGEST_PATH: Final = 1_000
DEEPEST: Final = 8
"""Files that include one another, and conditions within conditions by the same figure squared."""

DEFAULT: Final = Path(__file__).with_name("default")
"""The folder of our own rules, for machines without others."""
RULES: Final = Path("/usr/share/spamassassin")
UPDATES: Final = Path("/var/lib/spamassassin/4.000001")
SITE: Final = Path("/etc/spamassassin")

_WORD_OF: Final = {word: name for name, plugin in PLUGINS.items() for word in plugin.words}
_PLUGIN: Final = re.compile(r"[A-Za-z_]\w*(?:::\w+)*\Z", re.ASCII)

Opened = Callable[[Path], bytes]


def installed(rules: Path = RULES, updates: Path = UPDATES, site: Path = SITE) -> tuple[Path, ...]:
    """The folders that SpamAssassin reads on a machine: what sa-update fetched, else what came with it, then the site's own;
    our own rules where it is not installed."""
    fetched = updates if any(updates.glob("*.cf")) else rules
    if any(fetched.glob("*.cf")):
        return (fetched, site) if site.is_dir() else (fetched,)
    return (DEFAULT, site) if site.is_dir() else (DEFAULT,)


def read(paths: Sequence[Path], *, opened: Opened = Path.read_bytes, languages: Sequence[str] = (), local: bool = False) -> Ruleset:
    """The rules of files and folders, in this order. Of a folder, files that end in `.pre` or `.cf` are read, in the order of
    their names; all `.pre` come before all `.cf`.

    opened: what reads a file; an OSError of it is a fault.
    languages: those whose `lang` lines count.
    local: what `local_tests_only` says in conditions.
    """
    reader = _Reader(paths, opened, languages, local)
    folders = [(path, _inside(path, reader.book)) for path in paths]
    for suffix in (".pre", ".cf"):
        for path, inside in folders:
            if inside is None:
                files = [path] if (path.suffix == ".pre") == (suffix == ".pre") else []
            else:
                files = [file for file in inside if file.suffix == suffix]
            for file in files:
                reader.file(file)
    return reader.book.frozen()


def _inside(path: Path, book: Book) -> list[Path] | None:
    """What is in a folder, in the order of names; None for a file."""
    try:
        if path.is_dir():
            return sorted(file for file in path.iterdir() if not file.name.startswith("."))
    except OSError as error:
        book.fault(str(path), error.strerror or "it cannot be read")
        return []
    return None


class _SkipFile(Exception):
    """The rest of this file is for another version."""


class _Reader:
    def __init__(self, paths: Sequence[Path], opened: Opened, languages: Sequence[str], local: bool) -> None:
        self.book = Book()
        self.opened = opened
        self.languages = languages
        self.local = local
        self.compatible: set[str] = set()
        self.roots = tuple((path.parent if path.suffix in (".pre", ".cf") else path).resolve() for path in paths)
        self.octets = 0
        self.count = 0
        self.depth = 0
        self.path = Path()
        self.where = ""
        self.open: list[bool] = []

    def file(self, path: Path) -> None:
        before = self.path, self.where, self.open
        self.path, self.where, self.open = path, str(path), []
        self.depth += 1
        try:
            self.contents(self.fetched(path))
        except _SkipFile:
            pass
        except OSError as error:
            self.book.fault(str(path), error.strerror or "it cannot be read")
        except ValueError as reason:
            self.book.fault(str(path), str(reason))
        else:
            if self.open:
                self.book.fault(str(path), "it ends within an if: endif is missing")
        self.depth -= 1
        self.path, self.where, self.open = before

    def fetched(self, path: Path) -> bytes:
        self.count += 1
        if self.count > FILES or self.depth > DEEPEST:
            raise ValueError(f"it is left out: files include one another more than {DEEPEST} deep, or there are more than {FILES}")
        octets = self.opened(path)
        self.octets += len(octets)
        if len(octets) > LARGEST or self.octets > MOST:
            raise ValueError(f"it is left out: it has more than {LARGEST >> 20} MB, or all files have more than {MOST >> 20}")
        return octets

    def contents(self, octets: bytes) -> None:
        self.book.versions.update(dict.fromkeys(lines.versions(octets)))
        for line in lines.lines(octets, self.languages):
            self.where = f"{self.path}:{line.number}"
            step = _CONDITIONAL.get(line.word)
            if step is not None:
                step(self, line.value)
            elif all(self.open):
                self.line(line)

    def line(self, line: Line) -> None:
        name = ""
        try:
            if len(line.value) >= lines.LONGEST:
                raise ValueError(f"the line is longer than {lines.LONGEST} octets")
            step = _STEPS.get(line.word)
            if step is not None:
                step(self, line)
            elif line.word in DEFINITIONS:
                self.needs(line.word)
                name, rest = name_and_rest(line.value)
                self.book.define(name, DEFINITIONS[line.word](rest), self.where)
            else:
                self.setting(line)
        except (ValueError, OSError) as reason:
            self.book.fault(self.where, f"{line.word} {name}: {reason}" if name else str(reason), name)

    def needs(self, word: str) -> None:
        plugin = _WORD_OF.get(word)
        if plugin and plugin not in self.book.plugins:
            raise ValueError(f"{word} is of the plugin {plugin}, which no loadplugin names")

    def setting(self, line: Line) -> None:
        name = present(line.word)
        if not known(name):
            raise ValueError(f"{line.word[:60]} is no setting")
        self.book.options.take(name, text(line.value))

    def when(self, condition: str) -> None:
        if len(self.open) >= DEEPEST * DEEPEST:
            raise ValueError("it is left out from here: conditions are nested too deep")
        holding = False
        if all(self.open):
            try:
                holding = holds(condition, self.book.plugins.keys(), self.compatible, local=self.local)
            except (NotUnderstood, ZeroDivisionError) as reason:
                self.book.fault(self.where, f"if: {reason}")
        self.open.append(holding)

    def when_plugin(self, name: str) -> None:
        self.when(f"plugin({name})")

    def otherwise(self, value: str) -> None:
        if self.open:
            self.open[-1] = not self.open[-1]
        else:
            self.book.fault(self.where, "else without an if")

    def end(self, value: str) -> None:
        if self.open:
            self.open.pop()
        else:
            self.book.fault(self.where, "endif without an if")

    def include(self, line: Line) -> None:
        if len(line.value) > LONGEST_PATH:
            raise ValueError(f"include wants the name of a file, of {LONGEST_PATH} octets at most")
        path = (self.path.parent / text(line.value)).resolve()
        if not any(path.is_relative_to(root) for root in self.roots):
            raise ValueError(f"include leads out of the folders of rules: {path}")
        where = self.where
        self.file(path)
        self.where = where

    def require_version(self, line: Line) -> None:
        if line.value == "@@VERSION@@":  # Debian's files: whatever version they came with
            return
        parts = line.value.split(".")
        try:
            wanted = float(line.value) if len(parts) < 3 else int(parts[0]) + int(parts[1]) / 1e3 + int(parts[2]) / 1e6
        except ValueError:
            raise ValueError(f"require_version wants a version, not {line.value[:60]}") from None
        if abs(wanted - VERSION) > 1e-7:
            self.book.fault(self.where, f"the rest of the file is for version {line.value}, and this is {VERSION}")
            raise _SkipFile

    def load(self, line: Line) -> None:
        words = line.value.split()
        if not words or not _PLUGIN.match(words[0]):
            raise ValueError(f"{line.word} wants the name of a plugin")
        name = loaded_as(words[0])
        if name in PLUGINS:
            self.book.plugins[name] = None
        elif line.word == "loadplugin":
            raise ValueError(f"the plugin {name} is not known: nothing is run here, its rules cannot be")

    def enable_compat(self, line: Line) -> None:
        self.compatible.add(line.value)

    def score(self, line: Line) -> None:
        name, rest = name_and_rest(line.value)
        self.book.score(name, rest.split())

    def describe(self, line: Line) -> None:
        name, rest = name_and_rest(line.value)
        if not rest:
            raise ValueError(f"the description of {name} is missing")
        self.book.descriptions[name] = text(rest)

    def tflags(self, line: Line) -> None:
        name, rest = name_and_rest(line.value)
        self.book.flags[name] = tuple(rest.split())

    def priority(self, line: Line) -> None:
        name, rest = name_and_rest(line.value)
        if not re.fullmatch(r"-?\d{1,15}", rest):
            raise ValueError(f"priority wants a whole number, not {rest[:60]}")
        self.book.priorities[name] = int(rest)

    def test(self, line: Line) -> None:
        name, rest = name_and_rest(line.value)
        verdict, subject = (*rest.split(None, 1), "", "")[:2]
        if verdict not in ("ok", "fail"):
            raise ValueError("test wants ok or fail after the name of the rule")
        self.book.tests.append(Sample(name, verdict == "ok", subject.encode("latin-1"), self.where))

    def replace(self, line: Line) -> None:
        self.needs(line.word)
        self.book.tags.take(line.word.removeprefix("replace_"), line.value, self.where)

    def lookup(self, line: Line) -> None:
        self.needs(line.word)
        name, rest = name_and_rest(line.value)
        self.book.lookups[name] = lookup(line.word, rest)


def text(value: str) -> str:
    """Octets as characters, as the UTF-8 that they are if they are."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


_CONDITIONAL: Final[dict[str, Callable[[_Reader, str], None]]] = {
    "if": _Reader.when,
    "ifplugin": _Reader.when_plugin,
    "else": _Reader.otherwise,
    "endif": _Reader.end,
}

_STEPS: Final[dict[str, Callable[[_Reader, Line], None]]] = {
    "include": _Reader.include,
    "require_version": _Reader.require_version,
    "loadplugin": _Reader.load,
    "tryplugin": _Reader.load,
    "enable_compat": _Reader.enable_compat,
    "score": _Reader.score,
    "describe": _Reader.describe,
    "tflags": _Reader.tflags,
    "priority": _Reader.priority,
    "test": _Reader.test,
    **{f"replace_{word}": _Reader.replace for word in ("tag", "pre", "inter", "post", "rules", "start", "end")},
    **dict.fromkeys(LOOKUPS, _Reader.lookup),
}
