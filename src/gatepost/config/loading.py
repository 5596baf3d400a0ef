"""Reading main.cf and master.cf: `load` refuses what is faulty; `read` refuses nothing, for tools that show or mend it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gatepost.config.computed import Host
from gatepost.config.configuration import Configuration, Known
from gatepost.config.faults import ConfigurationError, Fault
from gatepost.config.master import MasterFile, parse_master
from gatepost.config.parameters import PARAMETERS
from gatepost.config.syntax import MainFile, parse_main
from gatepost.config.usage import warnings_about


def read(directory: Path, *, host: Host | None = None, parameters: Known = PARAMETERS) -> Configuration:
    """Read main.cf and master.cf; what is wrong becomes `faults` of the configuration and raises nothing."""
    main_file, master_file = str(directory / "main.cf"), str(directory / "master.cf")
    main_text, main_fault = _text(main_file)
    master_text, master_fault = _text(master_file)
    main = MainFile({}, faults=(main_fault,)) if main_fault else parse_main(main_text, main_file)
    master = MasterFile((), faults=(master_fault,)) if master_fault else parse_master(master_text, master_file)
    return Configuration(directory, main, master, parameters, host or Host())


def load(directory: Path, *, host: Host | None = None, parameters: Known = PARAMETERS) -> Configuration:
    """Read and check the configuration in `directory`. Raises ConfigurationError with everything that is wrong."""
    configuration = read(directory, host=host, parameters=parameters)
    faults = [*configuration.faults, *configuration.refusals, *_bad_values(configuration)]
    if faults:
        raise ConfigurationError(faults)
    return configuration.with_warnings(warnings_about(configuration))


def _text(file: str) -> tuple[str, Fault | None]:
    """The text of a file, bytes that are not UTF-8 kept as surrogates; or why there is none."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read(), None
    except OSError as error:
        return "", Fault(file, 0, f"open {file}: {error.strerror}", "create the file or name another directory with -c")


def _bad_values(configuration: Configuration) -> Iterator[Fault]:
    """Everything that is set and cannot be read as what it should be."""
    everywhere: list[tuple[Mapping[str, str] | None, Iterator[str]]] = [(None, iter(configuration.settings))]
    everywhere += [(entry.overrides, (name for name, _ in entry.settings)) for entry in configuration.services]
    for overrides, names in everywhere:
        for name in names:
            row = configuration.parameters.get(name)
            try:
                if row is None:
                    configuration.value(name, overrides)
                else:
                    configuration.typed(row, overrides)
            except ConfigurationError as error:
                yield from error.faults
