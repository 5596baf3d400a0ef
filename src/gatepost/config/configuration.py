"""A configuration: main.cf and master.cf of one directory, read once (loading.py) and never changed.

Each service gets its settings as a frozen struct from `Configuration.view`.
"""

import copy
import enum
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import fields

from gatepost.config import values
from gatepost.config.computed import COMPUTED, Host
from gatepost.config.expand import ExpansionError, expand
from gatepost.config.faults import ConfigurationError, Fault
from gatepost.config.master import MasterFile, Overrides, ServiceEntry, by_key
from gatepost.config.parameters import Parameter, ValueKind
from gatepost.config.syntax import MainFile, Setting
from gatepost.config.transports import service_parameters, transport_parameter
from gatepost.config.words import chosen, unknown_words

__all__ = ["Configuration", "ConfigurationError", "Fault"]

View = TypeVar("View", bound=Struct)

Known = Mapping[str, Parameter]

_REMEDIES = {
    ValueKind.BOOLEAN: "write yes or no",
    ValueKind.INTEGER: "write a whole number",
    ValueKind.SIZE: "write a whole number of bytes",
    ValueKind.TIME: "write a number and a unit: s, m, h, d or w",
}
_BITS = {ValueKind.INTEGER: 32, ValueKind.SIZE: 64}
# A time is a whole number of seconds; a room whose other times are fractions may declare it as float.
_FIELD_TYPES: Mapping[ValueKind, tuple[type, ...]] = {
    ValueKind.BOOLEAN: (bool,),
    ValueKind.INTEGER: (int,),
    ValueKind.TIME: (int, float),
    ValueKind.SIZE: (int,),
    ValueKind.WORDS: (str, tuple[str, ...]),
    ValueKind.LIST: (str, tuple[str, ...]),
    ValueKind.HOSTS: (str, tuple[str, ...]),
    ValueKind.MAPS: (str, tuple[str, ...]),
    ValueKind.FILE: (str, tuple[str, ...]),
}
_TEXT = (str,)


def _fits(row: Parameter, wanted: object) -> bool:
    """Whether a settings struct may have a field of this type for a parameter: a CHOICE may be an enum of its words."""
    if row.kind is ValueKind.CHOICE and isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return {member.value for member in wanted} == set(row.words)
    return wanted in _FIELD_TYPES.get(row.kind, _TEXT)


def _as_field(value: str | int | bool, wanted: Any) -> object:
    """A typed value as the field of a settings struct has it: a text as the elements of a list, or as a member of an enum."""
    if not isinstance(value, str) or wanted is str:
        return value
    return tuple(values.split(value)) if wanted == tuple[str, ...] else wanted(value)


class Configuration:
    """The settings of one configuration directory.

    `services`: the entries of master.cf, in order, of repeated ones all; `warnings`: what is doubtful, in file order;
    `faults`: what makes it unusable; `refusals`: what keeps a daemon from starting (a configuration that `load` gave has neither);
    `parameters`: the known parameters, those included that services bring into being.
    """

    def __init__(self, directory: Path, main: MainFile, master: MasterFile, known: Known, host: Host) -> None:
        self.directory = directory
        self.settings: Mapping[str, Setting] = main.settings
        self.services = master.services
        self.faults: tuple[Fault, ...] = (*main.faults, *master.faults)
        self.refusals: tuple[Fault, ...] = master.refusals
        self.warnings: tuple[Fault, ...] = (*main.warnings, *master.warnings)
        self.service_parameters: Known = service_parameters(master.services)
        self.parameters: Known = {**self.service_parameters, **known}
        self._host = host
        self._kept: dict[str, str] = {}

    def with_warnings(self, more: Iterable[Fault]) -> "Configuration":
        """The same configuration with further warnings."""
        twin = copy.copy(self)
        twin.warnings = (*self.warnings, *more)
        return twin

    def with_settings(self, more: Mapping[str, str], *, alone: bool = False) -> "Configuration":
        """The same configuration with further settings, as if they stood last in main.cf; `alone`: as its only ones."""
        file = str(self.directory / "main.cf")
        twin = copy.copy(self)
        twin.settings = ({} if alone else dict(self.settings)) | {
            name: Setting(name, value, file, 0) for name, value in more.items()
        }
        twin._kept = {}
        return twin

    def service(self, key: str) -> ServiceEntry | None:
        """The entry for `name/type`, the last where several are written."""
        return by_key(self.services).get(key)

    def is_set(self, name: str) -> bool:
        """Whether main.cf sets this parameter."""
        return name in self.settings

    def raw(self, name: str, overrides: Mapping[str, str] | None = None) -> str | None:
        """The value of any name, unexpanded: from `overrides`, else main.cf, else the default; None where undefined.

        Raises ExpansionError where a computed default needs a value that cannot be expanded.
        """
        if overrides and name in overrides:
            return overrides[name]
        setting = self.settings.get(name)
        if setting:
            return setting.value
        if name == "config_directory":
            return str(self.directory)
        compute = COMPUTED.get(name)
        if compute:
            return self._computed(name, compute, overrides or {})
        row = self.parameters.get(name)
        return row.default if row else None

    def value(self, name: str, overrides: Mapping[str, str] | None = None) -> str:
        """The value of a parameter, expanded (but for those of kind RAW, whose `$` names are meant for later).

        Raises KeyError for a name that is neither a parameter nor set, ConfigurationError where it cannot be expanded.
        """
        row = self.parameters.get(name)
        try:
            raw = self.raw(name, overrides)
            if raw is None:
                raise KeyError(name)
            return raw if row and row.kind is ValueKind.RAW else self.expand(raw, overrides)
        except ExpansionError as problem:
            remedy = "see postconf(5) for the forms of $name"
            raise ConfigurationError([self.fault(name, str(problem), remedy, overrides)]) from None

    def expand(self, text: str, overrides: Mapping[str, str] | None = None) -> str:
        """Any text with its `$` names replaced. Raises ExpansionError."""
        return expand(text, lambda name: self.raw(name, overrides))

    def view(self, cls: type[View], overrides: Mapping[str, str] | None = None) -> View:
        """The parameters that the fields of `cls` name, typed: times are seconds.

        `overrides` are those of a service (`ServiceEntry.overrides`). Raises ConfigurationError with every value that is
        wrong; TypeError where `cls` asks for what no parameter is, which is a mistake in the program.
        """
        found: dict[str, object] = {}
        faults: list[Fault] = []
        for field in fields(cls):
            row = self.parameters.get(field.encode_name)
            if row is None or not _fits(row, field.type):
                raise TypeError(f"{cls.__name__}.{field.name}: {row.kind.value if row else 'no'} parameter, not {field.type}")
            try:
                found[field.name] = _as_field(self.typed(row, overrides), field.type)
            except ConfigurationError as error:
                faults.extend(error.faults)
        if faults:
            raise ConfigurationError(faults)
        make: Callable[..., View] = cls
        return make(**found)

    def typed(self, row: Parameter, overrides: Mapping[str, str] | None = None) -> str | int | bool:
        """The value of one parameter in the type of its kind, within its bounds, of its words. Raises ConfigurationError."""
        name = row.name
        text = self.value(name, overrides) if name in self.parameters else self._transport(row, overrides)
        try:
            value = _typed(row, text)
            wrong = list(unknown_words(row, text))
        except ValueError as problem:
            wrong = [(f"{problem}: {name} = {text}", _REMEDIES.get(row.kind, ""))]
        if wrong:
            raise ConfigurationError([self.fault(name, told, remedy, overrides) for told, remedy in wrong])
        return value

    def transport(self, transport: str, suffix: str, overrides: Mapping[str, str] | None = None) -> str | int | bool:
        """A transport's parameter such as suffix `destination_rate_delay`, typed; falls back to `default_...`.

        Raises KeyError for an unknown suffix, ConfigurationError as `typed` does.
        """
        row = transport_parameter(transport, suffix)
        return self.typed(self.parameters.get(row.name, row), overrides)

    def fault(self, name: str, text: str, remedy: str, overrides: Mapping[str, str] | None = None) -> Fault:
        """A fault of the value of parameter `name`, placed where that value is set."""
        if overrides and name in overrides:
            file, line = (overrides.file, overrides.line) if isinstance(overrides, Overrides) else ("overrides", 0)
            return Fault(file, line, text, remedy)
        setting = self.settings.get(name)
        if setting:
            return Fault(setting.file, setting.line, text, remedy)
        return Fault(str(self.directory / "main.cf"), 0, text, remedy)

    def _transport(self, row: Parameter, overrides: Mapping[str, str] | None) -> str:
        if self.raw(row.name, overrides) is not None:
            return self.value(row.name, overrides)
        # What is not set under the transport's name stands under the common one, and is at fault there.
        return self.value(row.default.removeprefix("$"), overrides) if row.default.startswith("$") else row.default

    def _computed(self, name: str, compute: Callable[..., str], overrides: Mapping[str, str]) -> str:
        # Overrides that change host names or networks are too rare to be worth remembering.
        if not overrides and name in self._kept:
            return self._kept[name]

        def ask(wanted: str) -> str:
            if wanted == "mydomain" and name == "myhostname" and not self._given("mydomain", overrides):
                return "localdomain"
            return self.expand(self.raw(wanted, overrides) or "", overrides)

        found = compute(ask, self._host)
        if not overrides:
            self._kept[name] = found
        return found

    def _given(self, name: str, overrides: Mapping[str, str]) -> bool:
        return name in overrides or name in self.settings


def _typed(row: Parameter, text: str) -> str | int | bool:
    if row.kind is ValueKind.BOOLEAN:
        return values.boolean(text)
    if row.kind is ValueKind.CHOICE:
        return chosen(row, text)
    if row.kind in _BITS:
        return _within(row, values.integer(text, _BITS[row.kind]))
    if row.kind is ValueKind.TIME:
        return _within(row, values.seconds(text, row.unit))
    return text


def _within(row: Parameter, number: int) -> int:
    if row.minimum is not None and number < row.minimum:
        raise ValueError(f"value below {row.minimum}")
    if row.maximum is not None and number > row.maximum:
        raise ValueError(f"value above {row.maximum}")
    return number
