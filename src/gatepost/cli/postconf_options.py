"""The command line of postconf(1): which options go together, and what they ask for."""

import getopt
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from gatepost.cli.location import configuration_directory
from gatepost.config.syntax import name_and_value
from gatepost.mail.ascii_text import elements

_LETTERS = "aAbc:C:deEfFhHlmMno:pPtT:vxX#"
_MODES = "aAblmMFPtT"
_EDITS = "eX#"
_DISPLAY = "dnfhHox"

_ALONE = frozenset("cCv")
_ALLOWED = {
    "M": _ALONE | frozenset("foxeX#"),
    "F": _ALONE | frozenset("fhHoxe"),
    "P": _ALONE | frozenset("fhHoxeX"),
}
"""Options that may stand beside a mode; any other mode takes those of `_ALONE` only."""

CLASSES = ("builtin", "service", "user", "gatepost", "all")


class Fatal(Exception):
    """What ends the command with `postconf: fatal: ...` and status 1. `warnings` and `complaints` are told before it, the latter
    as they are."""

    def __init__(self, text: str, warnings: Sequence[str] = (), complaints: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.warnings = tuple(warnings)
        self.complaints = tuple(complaints)


class Options(Struct, frozen=True):
    """What was asked. `letters`: the options given; `classes`: of `-C`, empty for all; `arguments`: the names or settings."""

    letters: frozenset[str]
    directory: Path
    arguments: tuple[str, ...]
    classes: frozenset[str] = frozenset()
    overrides: tuple[tuple[str, str], ...] = ()
    tls_fact: str = ""

    @property
    def mode(self) -> str:
        """The letter that says what is worked on; empty for main.cf."""
        return next((letter for letter in _MODES if letter in self.letters), "")

    @property
    def edit(self) -> str:
        """`e`, `X` or `#` for a change, empty for a display."""
        return next((letter for letter in _EDITS if letter in self.letters), "")

    def has(self, letter: str) -> bool:
        return letter in self.letters


def parse(argv: Sequence[str]) -> Options:
    """Read the command line. Raises Fatal."""
    try:
        pairs, arguments = getopt.getopt(list(argv[1:]), _LETTERS)
    except getopt.GetoptError as error:
        raise Fatal(_USAGE, complaints=(_complaint(error),)) from None
    letters = {option[1] for option, _ in pairs}
    if letters & {"", "M", "F", "P"} or not letters & set(_MODES):
        letters |= _implied(letters, arguments)
    _refuse_conflicts(letters)
    values = dict(pairs)
    return Options(
        frozenset(letters),
        configuration_directory(values.get("-c")),
        tuple(arguments),
        _classes([value for option, value in pairs if option == "-C"]),
        tuple(_override(value) for option, value in pairs if option == "-o"),
        values.get("-T", ""),
    )


def _implied(letters: set[str], arguments: Sequence[str]) -> set[str]:
    """A value that is given is a value to be set."""
    return {"e"} if any("=" in argument for argument in arguments) else set()


def _complaint(error: getopt.GetoptError) -> str:
    # getopt(3)'s own words, without the name of the program.
    if "requires argument" in error.msg:
        return f"option requires an argument -- '{error.opt}'"
    return f"invalid option -- '{error.opt}'"


def _refuse_conflicts(letters: set[str]) -> None:
    exclusive = [_MODES, _EDITS, "dn", "hH", *(edit + shown for edit in _EDITS for shown in _DISPLAY)]
    for group in exclusive:
        given = sorted((letter for letter in group if letter in letters), key=_place)
        if len(given) > 1:
            raise Fatal("specify one of " + " ".join(f"-{letter}" for letter in given))
    mode = next((letter for letter in _MODES if letter in letters), "")
    if mode:
        unfit = sorted(letters - _ALLOWED.get(mode, _ALONE) - {mode, "p"}, key=_place)
        if unfit:
            raise Fatal(f"with option -{mode}, do not specify " + " ".join(f"-{letter}" for letter in unfit))


def _place(letter: str) -> tuple[str, bool]:
    """Options by letter, small before capital, `#` last."""
    return ("~" if letter == "#" else letter.lower(), letter.isupper())


def _classes(values: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for value in values:
        for name in elements(value):
            if name not in CLASSES:
                raise Fatal(f'unknown -C option value "{name}" in "{value}"')
            found.add(name)
    return frozenset() if "all" in found else frozenset(found)


def _override(text: str) -> tuple[str, str]:
    try:
        return name_and_value(text)
    except ValueError as problem:
        raise Fatal(f"invalid parameter override: {text}: {str(problem).partition(':')[0]}") from None


_USAGE = (
    "usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir]"
    " [-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf fields)]"
    " [-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)] [-n (non-default parameters)]"
    " [-o name=value (override parameter value)] [-p (main.cf, default)] [-P (master.cf parameters)] [-t (bounce templates)]"
    " [-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] [-X (exclude)]"
    " [-# (comment-out)] [name...]"
)
