"""Services: the entries of master.cf (master(5)).

A service is what listens or wakes up (name and type) and which daemon with which parameter overrides serves it.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from msgspec import Struct

from gatepost.config.command_line import options, options_end, refusals, settings
from gatepost.config.faults import Fault
from gatepost.config.syntax import LogicalLine, logical_lines, name_and_value
from gatepost.config.values import tokens
from gatepost.mail.ascii_text import BLANKS, SPACE

FIELDS = ("service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command")
"""The fields of an entry, in order; the arguments of the command follow."""

TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")

_DIGITS = "[0-9]{1,18}"  # a number of 64 bits
_COUNT = re.compile(f"-|{_DIGITS}")
_VALID = {
    "type": re.compile("|".join(TYPES)),
    "private": re.compile("[-yn]"),
    "unprivileged": re.compile("[-yn]"),
    "chroot": re.compile("[-yn]"),
    "wakeup": re.compile(rf"-|{_DIGITS}\??"),
    "process_limit": _COUNT,
}
_REMEDIES = {
    "type": "one of " + ", ".join(TYPES),
    "private": "y, n or -",
    "unprivileged": "y, n or -",
    "chroot": "y, n or -",
    "wakeup": "a number of seconds, perhaps with a ? at the end, or -",
    "process_limit": "a number, 0 for no limit, or -",
}


class Overrides(dict[str, str]):
    """Parameter values of one service that go before those of main.cf, and the place of the entry that sets them."""

    file: str = "master.cf"
    line: int = 0


class ServiceEntry(Struct, frozen=True, dict=True):
    """One entry of master.cf. `fields` are the eight fields as written; `arguments` what follows, outer braces removed."""

    fields: tuple[str, ...]
    arguments: tuple[str, ...]
    file: str
    line: int

    @property
    def name(self) -> str:
        return self.fields[0]

    @property
    def type(self) -> str:
        """`inet`, `unix`, `unix-dgram`, `fifo` or `pass`."""
        return self.fields[1]

    @property
    def key(self) -> str:
        """`name/type`: what tells one service from another."""
        return f"{self.name}/{self.type}"

    @property
    def private(self) -> bool:
        """Reachable for the mail system only."""
        return self.fields[2] != "n"

    @property
    def unprivileged(self) -> bool:
        """Runs as `mail_owner`."""
        return self.fields[3] != "n"

    @property
    def chroot(self) -> bool:
        return self.fields[4] == "y"

    @property
    def wakeup(self) -> int:
        """Seconds between wake-ups, 0 for none."""
        written = self.fields[5].rstrip("?")
        return 0 if written == "-" else int(written)

    @property
    def wakeup_if_used(self) -> bool:
        """No wake-up before somebody has used the service (`?`)."""
        return self.fields[5].endswith("?")

    @property
    def process_limit(self) -> int | None:
        """The greatest number of processes, 0 without limit; None: `default_process_limit`."""
        return None if self.fields[6] == "-" else int(self.fields[6])

    @property
    def command(self) -> str:
        """The daemon's name in `daemon_directory`, such as `smtpd`, as written."""
        return self.fields[7]

    @property
    def program(self) -> str:
        """The daemon's name without a directory: a key of PROGRAMS (programs.py), or a program that nobody knows."""
        return self.command.rpartition("/")[2]

    @property
    def endpoint(self) -> tuple[str, str]:
        """Host and port of an inet service as written (numbers or names); host empty: all of `inet_interfaces`."""
        host, _, port = self.name.rpartition(":")
        return host.removeprefix("[").removesuffix("]"), port

    @property
    def verbose(self) -> int:
        """How many `-v` the daemon is given."""
        return sum(option == "v" for option, _ in options(self.arguments))

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """The `-o` settings in order, unexpanded."""
        return tuple(settings(self.arguments))

    @property
    def overrides(self) -> Overrides:
        """The `-o` settings, and `service_name` and `process_name` as the daemon will know them."""
        kept: Overrides | None = self.__dict__.get("_overrides")
        if kept is None:
            kept = Overrides(service_name=self.name, process_name=self.program)
            kept.update(self.settings)
            kept.file, kept.line = self.file, self.line
            self.__dict__["_overrides"] = kept
        return kept

    @property
    def command_arguments(self) -> tuple[str, ...]:
        """What follows the options: the arguments of pipe(8) and spawn(8) such as `flags=` and `argv=`."""
        return self.arguments[options_end(self.arguments) :]


class MasterFile(Struct, frozen=True):
    """master.cf, read. `refusals`: why daemons would not start, though their entries can be read and shown."""

    services: tuple[ServiceEntry, ...]
    warnings: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()
    refusals: tuple[Fault, ...] = ()


def parse_master(text: str, file: str) -> MasterFile:
    """Read the text of a master.cf. All entries are kept, repeated ones too; where one is asked for, the last counts."""
    services: list[ServiceEntry] = []
    warnings: list[Fault] = []
    faults: list[Fault] = []
    refused: list[Fault] = []
    for line in logical_lines(text):
        if line.indented:
            remedy = "start the line at the left margin"
            warnings.append(Fault(file, line.first, f'logical line must not start with whitespace: "{line.text}"', remedy))
            continue
        try:
            entry = parse_entry(line, file)
        except FaultyEntry as problem:
            faults.append(problem.fault)
            continue
        services.append(entry)
        unbalanced = [Fault(file, line.first, text, "see master(5)") for text in _unbalanced(line.text)]
        warnings += unbalanced
        warnings.extend(Fault(file, line.first, text, "see master(5)") for text in _settings_of_nothing(line.text))
        refused += unbalanced
        refused.extend(
            Fault(file, line.first, f"service {entry.key}: {text}", remedy)
            for text, remedy in refusals(entry.program, entry.arguments)
        )
    return MasterFile(tuple(services), tuple(warnings), tuple(faults), tuple(refused))


class FaultyEntry(ValueError):
    """An entry that cannot be read."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def parse_entry(line: LogicalLine, file: str) -> ServiceEntry:
    """One entry. Raises FaultyEntry."""
    words = tokens(line.text, BLANKS)
    if len(words) < len(FIELDS):
        remedy = "an entry has eight fields: " + " ".join(FIELDS)
        raise FaultyEntry(Fault(file, line.first, "bad field count", remedy))
    for field, word in zip(FIELDS, words, strict=False):
        refuse_bad_field(field, word, line, file)
    return ServiceEntry(tuple(words[: len(FIELDS)]), tuple(_arguments(words[len(FIELDS) :])), file, line.first)


def refuse_bad_field(field: str, word: str, line: LogicalLine, file: str) -> None:
    """Raises FaultyEntry where `word` cannot stand in that field; `line` is where it stands."""
    if field in _VALID and not _VALID[field].fullmatch(word):
        told = f'invalid {field} field "{word}" in "{line.text}"'
        raise FaultyEntry(Fault(file, line.first, told, _REMEDIES[field]))


def _arguments(words: list[str]) -> Iterator[str]:
    """Arguments without their braces, `-o { name = value }` in its short form."""
    before = ""
    for word in words:
        text = unbrace(word)
        if text is not word and before == "-o":
            name, equals, value = text.partition("=")
            text = f"{name.rstrip(SPACE)}={value.lstrip(SPACE)}" if name and equals else text
        yield text
        before = word


def unbrace(word: str) -> str:
    """The text of an argument that was written in braces to keep its white space."""
    if not word.startswith("{"):
        return word
    end = word.rfind("}")
    return (word[1:] if end < 0 else word[1:end]).strip(SPACE)


def _unbalanced(text: str) -> Iterator[str]:
    """Arguments in braces that do not end where their braces do."""
    for word in tokens(text, BLANKS)[len(FIELDS) :]:
        if word.startswith("{") and not word.endswith("}"):
            yield f"syntax error after '}}' in \"{word}\"" if "}" in word else f"missing '}}' in \"{word}\""


def _settings_of_nothing(text: str) -> Iterator[str]:
    """What postconf(1) complains of in settings that are written in braces."""
    for before, word in pairwise(tokens(text, BLANKS)[len(FIELDS) - 1 :]):
        if word.startswith("{") and before == "-o":
            try:
                name_and_value(unbrace(word))
            except ValueError as problem:
                yield str(problem)


def by_key(services: tuple[ServiceEntry, ...]) -> Mapping[str, ServiceEntry]:
    """`name/type` to entry; of repeated entries the last."""
    return {entry.key: entry for entry in services}
