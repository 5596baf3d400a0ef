"""What the modes of postconf(1) have in common: the configuration as it is shown, values, warnings."""

import sys
from collections.abc import Iterable, Mapping

from gatepost.cli.postconf_options import Fatal, Options
from gatepost.config.check import table_configurations, text_of
from gatepost.config.computed import Host
from gatepost.config.configuration import Configuration
from gatepost.config.expand import EndlessExpansion, ExpansionError, references
from gatepost.config.faults import Fault
from gatepost.config.layout import fold, one_line
from gatepost.config.loading import read
from gatepost.config.parameters import ValueKind
from gatepost.config.usage import scopes, undefined, unused

_HOST = Host(process_name="postconf")
_UNSEEN = dict.fromkeys((*range(32), 127), "?")


def configuration_for(options: Options, *, master_required: bool = False) -> Configuration:
    """The configuration with `-o` overrides in main.cf's place, and warnings told. Raises Fatal where it cannot be read."""
    configuration = read(options.directory, host=_HOST)
    for fault in configuration.faults:
        if fault.line or fault.file.endswith("main.cf") or master_required:
            raise Fatal(_told(fault), [_told(warning) for warning in configuration.warnings])
        warn(_told(fault))
    warn(*(_told(warning) for warning in configuration.warnings))
    configuration = configuration.with_settings(dict(options.overrides))
    warn(*(f"{fault.file}: {fault.text}" for fault in undefined(configuration)))
    _refuse_bad_expressions(configuration)
    return configuration


def defaults_for(options: Options) -> Configuration:
    """The configuration of an empty main.cf; services of master.cf still bring their parameters."""
    configuration = read(options.directory, host=_HOST)
    for fault in configuration.faults:
        if not fault.file.endswith("main.cf"):
            if fault.line:
                raise Fatal(_told(fault))
            warn(_told(fault))
    directory = configuration.parameters["config_directory"].default
    return configuration.with_settings({"config_directory": directory, **dict(options.overrides)}, alone=True)


def tell_unused(configuration: Configuration, *files: str) -> None:
    """The warnings that come last: tables without their files, settings of these files that nothing uses."""
    for fault in table_configurations(configuration, text_of):
        warn(fault.text if fault.text.startswith("open ") else f"{fault.file}: {fault.text}")
    warn(*(f"{fault.file}: {fault.text}" for fault in unused(configuration) if fault.file.endswith(files)))


def _told(fault: Fault) -> str:
    """A fault in Postfix's words and with the place as Postfix writes it, which differs from one to the other."""
    if fault.text == "bad field count":
        return f"file {fault.file}: line {fault.line}: {fault.text}"
    if fault.text.startswith(("open ", "invalid ")):
        return fault.text
    if fault.text.startswith("logical line"):
        return f"{fault.file}: {fault.text}"
    if fault.file.endswith("master.cf"):
        return f"master.cf: {fault.text}"
    return f"{fault.place}: {fault.text}"


def _refuse_bad_expressions(configuration: Configuration) -> None:
    """Every value must expand, shown or not; a mistake is told when met, and again by the value that fails."""
    told: list[str] = []
    for scope in scopes(configuration):
        for _, value, _ in scope.settings:
            try:
                list(references(value))
            except ExpansionError as problem:
                told.append(str(problem))
    for name in [*configuration.settings, *configuration.parameters]:
        row = configuration.parameters.get(name)
        if row and row.kind is ValueKind.RAW:
            continue
        try:
            configuration.expand(configuration.raw(name) or "")
        except EndlessExpansion:
            continue  # which only matters where it is expanded
        except ExpansionError as problem:
            raise Fatal("macro processing error", [*told, str(problem)]) from None


def shown_value(configuration: Configuration, name: str, options: Options, overrides: Mapping[str, str] | None = None) -> str:
    """The value of a parameter as the options want to see it. Raises Fatal."""
    raw = configuration.raw(name, overrides) or ""
    row = configuration.parameters.get(name)
    if not options.has("x") or (row and row.kind is ValueKind.RAW):
        return raw
    return expanded(configuration, raw, overrides)


def expanded(configuration: Configuration, text: str, overrides: Mapping[str, str] | None = None) -> str:
    """The text with its `$` names replaced. Raises Fatal."""
    try:
        return configuration.expand(text, overrides)
    except ExpansionError as problem:
        raise Fatal("macro processing error", (str(problem),)) from None


def read_text(options: Options, name: str) -> str:
    """The text of a configuration file, for a change of it. Raises OSError."""
    with open(options.directory / name, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read()


def show(names_and_values: Iterable[tuple[str, str]], options: Options) -> None:
    """Print `name = value` lines, or what `-h` and `-H` leave of them."""
    write = fold if options.has("f") else one_line
    for name, value in names_and_values:
        text = name if options.has("H") else value if options.has("h") else f"{name} = {value}"
        sys.stdout.write(write(text) + "\n")


def warn(*texts: str) -> None:
    """Tell something doubtful on stderr; what cannot be shown of it as `?`."""
    sys.stderr.write("".join(f"postconf: warning: {text.translate(_UNSEEN)}\n" for text in texts))
