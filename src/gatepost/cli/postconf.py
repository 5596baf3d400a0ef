"""`gatepost postconf`: show and edit main.cf parameters, and all else that postconf(1) does.

Values are shown as they would be written, one space for any white space. Changes keep comments and replace the file in one
step. Own parameters of Gatepost are listed with `-C gatepost`, when named, and when set; a plain list is Postfix's.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gatepost.cli.postconf_options import Fatal, Options, parse
from gatepost.cli.postconf_reading import configuration_for, defaults_for, read_text, show, shown_value, tell_unused, warn
from gatepost.config.configuration import Configuration
from gatepost.config.syntax import name_and_value
from gatepost.config.usage import former_names, user_names
from gatepost.mail.ascii_text import SPACE


def main(argv: Sequence[str]) -> int:
    """Run the command; 0, or 1 with `postconf: fatal: ...` on stderr."""
    try:
        options = parse(argv)
        return _ACTIONS.get(options.mode, _main_parameters)(options)
    except Fatal as fatal:
        warn(*fatal.warnings)
        sys.stderr.write("".join(f"postconf: {line}\n" for line in (*fatal.complaints, f"fatal: {fatal}")))
        return 1


def _main_parameters(options: Options) -> int:
    if options.edit:
        _edit_main(options)
        return 0
    configuration = defaults_for(options) if options.has("d") else configuration_for(options)
    shown = _named(configuration, options) if options.arguments else _listed(configuration, options)
    show(((name, shown_value(configuration, name, options)) for name in shown), options)
    sys.stdout.flush()
    if not options.has("d"):
        tell_unused(configuration, "main.cf", "master.cf")
    return 0


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
