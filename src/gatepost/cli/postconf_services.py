"""`postconf -M`, `-F` and `-P`: show and edit the services of master.cf, their fields and their parameters."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from gatepost.cli.postconf_options import Fatal, Options
from gatepost.cli.postconf_reading import configuration_for, expanded, read_text, show, tell_unused, warn
from gatepost.config import edit
from gatepost.config.configuration import Configuration
from gatepost.config.layout import argument, service_line
from gatepost.config.master import FIELDS, FaultyEntry, ServiceEntry, parse_entry
from gatepost.config.syntax import LogicalLine, name_and_value
from gatepost.mail.ascii_text import SPACE

_PARTS = {"M": ("service_name", "type"), "F": ("service_name", "type", "field"), "P": ("service_name", "type", "parameter")}
"""What a request is made of, by mode."""


def run(options: Options) -> int:
    """Do what `-M`, `-F` or `-P` asks. Raises Fatal."""
    if options.edit:
        _edit(options)
        return 0
    configuration = configuration_for(options, master_required=True)
    rows = _rows(configuration, options)
    if options.mode == "M":
        sys.stdout.write("".join(f"{text}\n" for _, text in rows))
    else:
        show(rows, options)
    sys.stdout.flush()
    tell_unused(configuration, "master.cf")
    return 0


def _rows(configuration: Configuration, options: Options) -> list[tuple[str, str]]:
    """What is shown: key and text of each service, field or parameter, in file order, one that is asked for twice once."""
    requests = [(text, _request(text, options.mode)) for text in options.arguments] or [("", ["*"] * len(_PARTS[options.mode]))]
    met: set[str] = set()
    rows: list[tuple[str, str]] = []
    for entry in configuration.services:
        for key, text in _SHOWN[options.mode](configuration, entry, options):
            matching = [asked for asked, parts in requests if _matches(key, parts)]
            if matching:
                met.update(matching)
                rows.append((key, text))
    warn(*(f'unmatched request: "{asked}"' for asked, _ in requests if asked and asked not in met))
    return rows


def _request(text: str, mode: str) -> list[str]:
    """`service/type/...` in its parts, those left out as wildcards. Raises Fatal."""
    names = _PARTS[mode]
    parts = _pieces(text, mode)
    if text.startswith("/") or len(parts) > len(names):
        raise Fatal(f"-{mode} option requires {names[0]}" + "".join(f"[/{name}" for name in names[1:]) + "]" * (len(names) - 1))
    parts += ["*"] * (len(names) - len(parts))
    if mode == "F":
        _refuse_unknown_field(parts[2])
    return parts


def _pieces(text: str, mode: str) -> list[str]:
    """What stands between slashes, however many; the name of a parameter may hold some."""
    most = len(_PARTS[mode]) - 1 if mode == "P" else 0
    return [piece for piece in re.split("/+", text.strip("/"), maxsplit=most) if piece]


def _refuse_unknown_field(name: str) -> None:
    if name not in FIELDS and name != "*":
        raise Fatal(f'invalid service attribute name: "{name}"')


def _matches(key: str, parts: Sequence[str]) -> bool:
    return all(want in ("*", have) for have, want in zip(key.split("/", len(parts) - 1), parts, strict=True))


def _arguments(configuration: Configuration, entry: ServiceEntry, options: Options) -> Sequence[str]:
    """The arguments of a service, `-o` values expanded where that is asked for."""
    if not options.has("x"):
        return entry.arguments
    overrides = entry.overrides
    own = {f"{name}={value}" for name, value in entry.settings}
    return [expanded(configuration, text, overrides) if text in own else text for text in entry.arguments]


def _service(configuration: Configuration, entry: ServiceEntry, options: Options) -> Iterator[tuple[str, str]]:
    arguments = _arguments(configuration, entry, options)
    yield entry.key, service_line(entry.fields, arguments, folded=options.has("f"))


def _fields(configuration: Configuration, entry: ServiceEntry, options: Options) -> Iterator[tuple[str, str]]:
    for name, value in zip(FIELDS[:-1], entry.fields[:-1], strict=True):
        yield f"{entry.key}/{name}", value
    words = [entry.command, *map(argument, _arguments(configuration, entry, options))]
    yield f"{entry.key}/{FIELDS[-1]}", " ".join(words)


def _parameters(configuration: Configuration, entry: ServiceEntry, options: Options) -> Iterator[tuple[str, str]]:
    for name, value in sorted(dict(entry.settings).items()):
        yield f"{entry.key}/{name}", expanded(configuration, value, entry.overrides) if options.has("x") else value


_SHOWN: Mapping[str, Callable[[Configuration, ServiceEntry, Options], Iterator[tuple[str, str]]]] = {
    "M": _service,
    "F": _fields,
    "P": _parameters,
}


def _edit(options: Options) -> None:
    if not options.arguments:
        raise Fatal("-e requires name=value argument" if options.edit == "e" else "missing service argument")
    path = options.directory / "master.cf"
    try:
        text = read_text(options, "master.cf")
        for asked in options.arguments:
            if asked.lstrip(SPACE).startswith("#"):
                raise Fatal("-Me, -Fe, -Pe, -X, or -# accept no comment input")
            text = _EDITS[options.mode, options.edit](text, asked)
        edit.rewrite(path, text)
    except FaultyEntry as problem:
        raise Fatal(str(problem)) from None
    except OSError as error:
        raise Fatal(f"open {path} for reading: {error.strerror}") from None


def _asked(text: str) -> tuple[str, str]:
    """Split `service/type...=value`. Raises Fatal."""
    try:
        return name_and_value(text)
    except ValueError as problem:
        raise Fatal(str(problem)) from None


def _split(text: str, mode: str) -> list[str]:
    parts = _pieces(text, mode)
    if len(parts) != len(_PARTS[mode]):
        raise Fatal(_REQUIRED[mode])
    return parts


_REQUIRED = {
    "M": "-Me, -MX or -M# requires service_name/type",
    "F": "-Fe or -FX requires service_name/type/field_name",
    "P": "-Pe or -PX requires service_name/type/parameter",
}


class _Tally:
    """A change to the services that match a request, and whether any did."""

    def __init__(self, parts: Sequence[str], change: edit.ServiceChange) -> None:
        self._parts = parts[:2]
        self._change = change
        self.met = 0

    def __call__(self, entry: ServiceEntry) -> ServiceEntry | None:
        if not _matches(entry.key, self._parts):
            return entry
        self.met += 1
        return self._change(entry)


def _set_service(text: str, asked: str) -> str:
    key, value = _asked(asked)
    parts = _split(key, "M")
    try:
        entry = parse_entry(LogicalLine(value, 0, 0), "master.cf")
    except FaultyEntry as problem:
        raise Fatal(f'{problem}: "{asked}"' if str(problem) == "bad field count" else str(problem)) from None
    seen: list[ServiceEntry] = []

    def replace(old: ServiceEntry) -> ServiceEntry | None:
        if old.key != entry.key and not _matches(old.key, parts):
            return old
        seen.append(old)
        return entry if len(seen) == 1 else None

    changed = edit.change_services(text, "master.cf", replace)
    return changed if seen else edit.add_service(text, entry)


def _remove_service(text: str, asked: str) -> str:
    return edit.change_services(text, "master.cf", _Tally(_split(asked, "M"), lambda entry: None))


def _comment_service(text: str, asked: str) -> str:
    parts = _split(asked, "M")
    return edit.comment_services(text, "master.cf", lambda entry: _matches(entry.key, parts))


def _set_field(text: str, asked: str) -> str:
    key, value = _asked(asked)
    parts = _split(key, "F")
    _refuse_unknown_field(parts[2])
    return _changed(text, asked, _Tally(parts, lambda entry: edit.with_field(entry, parts[2], value)))


def _set_parameter(text: str, asked: str) -> str:
    key, value = _asked(asked)
    parts = _split(key, "P")
    if any(char in SPACE for char in value):
        raise Fatal("-Pe does not accept whitespace in parameter value")
    return _changed(text, asked, _Tally(parts, lambda entry: edit.with_parameter(entry, parts[2], value)))


def _remove_parameter(text: str, asked: str) -> str:
    parts = _split(asked, "P")
    return _changed(text, asked, _Tally(parts, lambda entry: edit.with_parameter(entry, parts[2], None)))


def _changed(text: str, asked: str, change: _Tally) -> str:
    changed = edit.change_services(text, "master.cf", change)
    if not change.met:
        warn(f'unmatched service_name/type: "{asked}"')
    return changed


_EDITS: Mapping[tuple[str, str], Callable[[str, str], str]] = {
    ("M", "e"): _set_service,
    ("M", "X"): _remove_service,
    ("M", "#"): _comment_service,
    ("F", "e"): _set_field,
    ("P", "e"): _set_parameter,
    ("P", "X"): _remove_parameter,
}
