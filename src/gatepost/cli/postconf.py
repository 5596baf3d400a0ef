"""`gatepost postconf`: show and edit main.cf parameters, and all else that postconf(1) does.

Values are shown as they would be written, one space for any white space. Changes keep comments and replace the file in one
step. Own parameters of Gatepost are listed with `-C gatepost`, when named, and when set; a plain list is Postfix's.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gatepost.cli.postconf_options import Fatal, Options, parse
from gatepost.config.check import table_configurations, text_of
from gatepost.config.computed import Host
from gatepost.config.configuration import Configuration, read
from gatepost.config.expand import EndlessExpansion, ExpansionError, references
from gatepost.config.faults import Fault
from gatepost.config.layout import fold, one_line
from gatepost.config.parameters import Kind
from gatepost.config.syntax import name_and_value
from gatepost.config.usage import former_names, scopes, undefined, unused, user_names
from gatepost.mail.ascii_text import SPACE

_HOST = Host(process_name="postconf")


_UNSEEN = dict.fromkeys((*range(32), 127), "?")


def main(argv: Sequence[str]) -> int:
    """Run the command; 0, or 1 with `postconf: fatal: ...` on stderr."""
    try:
        options = parse(argv)
        return _ACTIONS.get(options.mode, _main_parameters)(options)
    except Fatal as fatal:
        warn(*fatal.warnings)
        sys.stderr.write("".join(f"postconf: {line}\n" for line in (*fatal.complaints, f"fatal: {fatal}")))
        return 1


def warn(*texts: str) -> None:
    """Tell something doubtful on stderr; what cannot be shown of it as `?`."""
    sys.stderr.write("".join(f"postconf: warning: {text.translate(_UNSEEN)}\n" for text in texts))


def show(names_and_values: Iterable[tuple[str, str]], options: Options) -> None:
    """Print `name = value` lines, or what `-h` and `-H` leave of them."""
    write = fold if options.has("f") else one_line
    for name, value in names_and_values:
        text = name if options.has("H") else value if options.has("h") else f"{name} = {value}"
        sys.stdout.write(write(text) + "\n")


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
        if row and row.kind is Kind.RAW:
            continue
        try:
            configuration.expand(configuration.raw(name) or "")
        except EndlessExpansion:
            continue  # which only matters where it is expanded
        except ExpansionError as problem:
            raise Fatal("macro processing error", [*told, str(problem)]) from None


def _main_parameters(options: Options) -> int:
    if options.edit:
        _edit_main(options)
        return 0
    configuration = _defaults_for(options) if options.has("d") else configuration_for(options)
    shown = _named(configuration, options) if options.arguments else _listed(configuration, options)
    show(((name, shown_value(configuration, name, options)) for name in shown), options)
    sys.stdout.flush()
    if not options.has("d"):
        tell_unused(configuration, "main.cf", "master.cf")
    return 0


def _defaults_for(options: Options) -> Configuration:
    """The configuration of an empty main.cf; services of master.cf still bring their parameters."""
    configuration = read(options.directory, host=_HOST)
    for fault in configuration.faults:
        if not fault.file.endswith("main.cf"):
            if fault.line:
                raise Fatal(_told(fault))
            warn(_told(fault))
    directory = configuration.parameters["config_directory"].default
    return configuration.with_settings({"config_directory": directory, **dict(options.overrides)}, alone=True)


def shown_value(configuration: Configuration, name: str, options: Options, overrides: Mapping[str, str] | None = None) -> str:
    """The value of a parameter as the options want to see it. Raises Fatal."""
    raw = configuration.raw(name, overrides) or ""
    row = configuration.parameters.get(name)
    if not options.has("x") or (row and row.kind is Kind.RAW):
        return raw
    return expanded(configuration, raw, overrides)


def expanded(configuration: Configuration, text: str, overrides: Mapping[str, str] | None = None) -> str:
    """The text with its `$` names replaced. Raises Fatal."""
    try:
        return configuration.expand(text, overrides)
    except ExpansionError as problem:
        raise Fatal("macro processing error", (str(problem),)) from None


def _listed(configuration: Configuration, options: Options) -> Iterator[str]:
    """All names of the classes asked for, sorted; with `-n` those that are set."""
    found: set[str] = set()
    classes = options.classes or {"builtin", "service", "user"}
    for name in classes:
        found.update(_CLASSES[name](configuration))
    if options.has("n"):
        own = set() if options.classes else set(_CLASSES["gatepost"](configuration))
        found = {name for name in found | own if configuration.is_set(name) or name == "config_directory"}
    return iter(sorted(found))


def _named(configuration: Configuration, options: Options) -> Iterator[str]:
    known = set(former_names(configuration))
    for name in options.classes or _CLASSES:
        known.update(_CLASSES[name](configuration))
    for name in options.arguments:
        if name not in known:
            warn(f"{name}: unknown parameter")
        elif not options.has("n") or configuration.is_set(name) or name == "config_directory":
            yield name


_CLASSES: Mapping[str, Callable[[Configuration], Iterable[str]]] = {
    "builtin": lambda configuration: (
        row.name
        for name, row in configuration.parameters.items()
        if row.since != "gatepost" and name not in configuration.service_parameters
    ),
    "gatepost": lambda configuration: (row.name for row in configuration.parameters.values() if row.since == "gatepost"),
    "service": lambda configuration: configuration.service_parameters,
    "user": user_names,
}


def _edit_main(options: Options) -> None:
    from gatepost.config import edit  # with its temporary files, which showing needs not

    wanted = _requests(options)
    path = options.directory / "main.cf"
    change = {"e": edit.set_parameters, "X": edit.remove_parameters, "#": edit.comment_parameters}[options.edit]
    try:
        edited = change(read_text(options, "main.cf"), wanted)
        for name, times in edited.met.items():
            if times > 1:
                warn(f'{path}: multiple entries for "{name}"')
        edit.rewrite(path, edited.text)
    except OSError as error:
        raise Fatal(f"open {path} for reading: {error.strerror}") from None


def _requests(options: Options) -> Mapping[str, str]:
    """Name to new value, or to nothing where names alone are asked for. Raises Fatal."""
    if not options.arguments:
        raise Fatal("-e requires name=value argument" if options.edit == "e" else "missing service argument")
    wanted: dict[str, str] = {}
    for argument in options.arguments:
        if "\n" in argument:
            raise Fatal("-e, -X, or -# accepts no multi-line input")
        if argument.lstrip(SPACE).startswith("#"):
            raise Fatal("-e, -X, or -# accepts no comment input")
        try:
            name, value = name_and_value(argument) if options.edit == "e" else (argument, "")
        except ValueError as problem:
            raise Fatal(str(problem)) from None
        if name in wanted:
            warn(f"ignoring earlier request: '{name} = {wanted[name]}'")
        wanted[name] = value
    return wanted


def read_text(options: Options, name: str) -> str:
    """The text of a configuration file, for a change of it. Raises OSError."""
    with open(options.directory / name, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read()


def _services(options: Options) -> int:
    from gatepost.cli import postconf_services

    return postconf_services.run(options)


def _print_lines(*lines: str) -> Callable[[Options], int]:
    def run(options: Options) -> int:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return 0

    return run


def _table_types(options: Options) -> int:
    from gatepost.lookup.registry import TABLE_TYPES

    return _print_lines(*sorted(TABLE_TYPES))(options)


def _templates(options: Options) -> int:
    from gatepost.cli import postconf_templates

    return postconf_templates.run(options)


def _tls_fact(options: Options) -> int:
    import ssl

    facts = {
        "compile-version": [ssl.OPENSSL_VERSION],
        "run-version": [ssl.OPENSSL_VERSION],
        "public-key-algorithms": ["dsa", "ecdsa", "rsa"],
    }
    if options.tls_fact not in facts:
        warn(f"unknown 'postconf -T' mode: {options.tls_fact}")
        return 1
    return _print_lines(*facts[options.tls_fact])(options)


_ACTIONS: Mapping[str, Callable[[Options], int]] = {
    "": _main_parameters,
    "M": _services,
    "F": _services,
    "P": _services,
    "a": _print_lines("cyrus", "dovecot"),
    "A": _print_lines("cyrus"),
    "l": _print_lines("flock", "fcntl", "dotlock"),
    "b": _templates,
    "t": _templates,
    "m": _table_types,
    "T": _tls_fact,
}
