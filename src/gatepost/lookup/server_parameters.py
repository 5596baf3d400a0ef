"""The parameters of a table that asks a server, in both of Postfix's forms (ldap_table(5), mysql_table(5), memcache_table(5)).

`ldap:/etc/postfix/aliases.cf` reads a file of `name = value` lines, whose values are taken as they are; `ldap:aliases` reads
main.cf's `aliases_name = value`, where `$name` is expanded. A mistake is told with its file and line.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from gatepost.config import values
from gatepost.config.configuration import Configuration
from gatepost.config.expand import ExpansionError
from gatepost.config.faults import Fault
from gatepost.config.syntax import Setting, parse_main
from gatepost.config.tables import TABLE_PARAMETERS, in_file
from gatepost.lookup.key_format import BadFormat, KeyFormat
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.lookup.table_text import read_file


class TableParameters:
    """The settings of one table. Every method raises Unavailable for a bad value, in words that begin with its file and line."""

    def __init__(self, spec: str, find: Callable[[str], Setting | None], expand: Callable[[str], str] = str) -> None:
        """`find`: a setting by the table's own name for it; `expand`: replaces `$name` in a value, or raises ExpansionError."""
        self.spec = spec
        self._find = find
        self._expand = expand

    def is_set(self, name: str) -> bool:
        return self._find(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """The value, `default` where there is none. One that is empty counts, as in Postfix."""
        setting = self._find(name)
        if setting is None:
            return default
        try:
            return self._expand(setting.value)
        except ExpansionError as problem:
            raise self.wrong(name, str(problem)) from None

    def words(self, name: str, default: str = "") -> list[str]:
        """The value as a list, at white space and commas, `{...}` kept together."""
        return values.split(self.text(name, default))

    def number(self, name: str, default: int, minimum: int = 0, maximum: int | None = None) -> int:
        """A whole number."""
        text = self.text(name)
        if not text:
            return default
        try:
            number = values.integer(text)
        except ValueError as problem:
            raise self.wrong(name, str(problem)) from None
        if number < minimum or (maximum is not None and number > maximum):
            raise self.wrong(name, f"value below {minimum}" if number < minimum else f"value above {maximum}")
        return number

    def boolean(self, name: str, default: bool) -> bool:
        """`yes` or `no`."""
        text = self.text(name)
        try:
            return values.boolean(text) if text else default
        except ValueError as problem:
            raise self.wrong(name, f"{problem}: write yes or no") from None

    def choice(self, name: str, choices: Mapping[str, int], default: str) -> int:
        """One of some words, without regard to case: what it stands for."""
        text = self.text(name) or default
        if text.lower() not in choices:
            raise self.wrong(name, f"not one of {', '.join(choices)}")
        return choices[text.lower()]

    def wrong(self, name: str, why: str) -> Unavailable:
        """What is wrong with a setting, and where that is."""
        setting = self._find(name)
        if setting is None:
            return Unavailable(self.spec, f"{self.spec}: {name}: {why}")
        place = f"{setting.file}, line {setting.line}" if setting.line else setting.file
        return Unavailable(self.spec, f"{place}: {setting.name} = {shown(name, setting.value)}: {why}")


_SECRET = ("pw", "pass", "secret")
"""In the names of parameters that hold passwords, and in those that were meant to."""


_IN_A_URI = re.compile(r"(?<=://)\S*@|(?<=password=)[^&\s]*", re.IGNORECASE)


def shown(name: str, value: str) -> str:
    """A value for the log: passwords stay secret, those in connection URIs too."""
    return "***" if any(part in name.lower() for part in _SECRET) else _IN_A_URI.sub("***", value)


def read_parameters(opening: Opening) -> TableParameters:
    """The parameters of `type:/file` or `type:prefix`. Names that the type does not know are warned of. Raises Unavailable."""
    if in_file(opening.name):
        return _of_file(opening)
    return _of_main_cf(opening, opening.tables.access.configuration)


def file_settings(path: str) -> list[tuple[str, str]]:
    """Names and values of a table's configuration file; nothing where it cannot be read."""
    try:
        text = read_file(path, path)
    except Unavailable:
        return []
    return [(setting.name, setting.value) for setting in parse_main(text, path).settings.values()]


def _of_file(opening: Opening) -> TableParameters:
    file = parse_main(read_file(opening.name, opening.spec), opening.name)
    if file.faults:
        raise Unavailable(opening.spec, _placed(file.faults[0]))
    for warning in file.warnings:
        opening.warn(_placed(warning))
    for setting in file.settings.values():
        if setting.name not in TABLE_PARAMETERS[opening.type]:
            value = shown(setting.name, setting.value)
            opening.warn(f"{setting.file}, line {setting.line}: unused parameter: {setting.name}={value}")
    return TableParameters(opening.spec, file.settings.get)


def _of_main_cf(opening: Opening, configuration: Configuration | None) -> TableParameters:
    spec, prefix, overrides = opening.spec, opening.name, opening.tables.overrides
    if configuration is None:
        raise Unavailable(spec, f"{spec}: its parameters {prefix}_... stand in main.cf, which is not read here")

    def find(name: str) -> Setting | None:
        name = f"{prefix}_{name}"
        if name not in overrides:
            return configuration.settings.get(name)
        place = configuration.fault(name, "", "", overrides)
        return Setting(name, overrides[name], place.file, place.line)

    return TableParameters(spec, find, lambda text: configuration.expand(text, overrides))


def _placed(fault: Fault) -> str:
    return f"{fault.file}, line {fault.line}: {fault.text}: {fault.remedy}"


def format_of(parameters: TableParameters, name: str, default: str) -> KeyFormat:
    """A parameter with `%` letters. Raises Unavailable."""
    try:
        return KeyFormat(parameters.text(name) or default)
    except BadFormat as problem:
        raise parameters.wrong(name, str(problem)) from None


def required(parameters: TableParameters, names: Sequence[str]) -> None:
    """Raises Unavailable where one of `names` is not set."""
    for name in names:
        if not parameters.text(name):
            raise Unavailable(parameters.spec, f"{parameters.spec}: {name} is not set")
