"""The command line that an entry of master.cf gives its daemon: options as getopt reads them, then arguments (master(5)).

A daemon of Postfix refuses to start on a line that it does not understand whole. So do we: a word that nobody reads may be the
half of a restriction list, `-o smtpd_client_restrictions=permit_mynetworks, reject`, without which the door is open.
"""

from collections.abc import Iterator
from itertools import islice

from gatepost.config.programs import Arguments, program
from gatepost.config.syntax import name_and_value
from gatepost.mail.ascii_text import SPACE

_FLAGS = frozenset("cdluvVDz")
_WITH_VALUE = frozenset("imnorst")
_BRACES = "write -o { name = value } where there is white space in a value"


def options(arguments: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """The options before the first other argument: letter and value, None where a value is missing."""
    waiting = iter(arguments[: options_end(arguments)])
    for word in waiting:
        for at, letter in enumerate(word[1:], 2):
            if letter in _WITH_VALUE:
                yield letter, word[at:] or next(waiting, None)
                break
            if word != "--":
                yield letter, ""


def option_words(options: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The words of options, those of one option together, and the name that it sets where it is an `-o`. `-vo` and its value are
    told as `-v` and `-o value`."""
    waiting = iter(options)
    for word in waiting:
        at = next((place for place, letter in enumerate(word) if place and letter in _WITH_VALUE), len(word))
        values = tuple(islice(waiting, 1)) if at == len(word) - 1 else ()
        if word[at : at + 1] != "o":
            yield (word, *values), ""
            continue
        if at > 1:
            yield (word[:at],), ""
        setting = word[at + 1 :] or "".join(values)
        yield (f"-{word[at:]}", *values), setting.partition("=")[0].strip(SPACE)


def options_end(arguments: tuple[str, ...]) -> int:
    """How many of the arguments belong to options."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-":
        word = arguments[at]
        at += 1
        if word == "--":
            break
        with_value = next((place for place, letter in enumerate(word) if letter in _WITH_VALUE), None)
        at += with_value == len(word) - 1
    return min(at, len(arguments))


def settings(arguments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What the `-o` options set, in order; what sets nothing is left out."""
    for option, text in options(arguments):
        name, equals, value = (text or "").partition("=")
        if option == "o" and equals:
            yield name.strip(SPACE), value.strip(SPACE)


def refusals(daemon: str, arguments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do): why the daemon would not start with this command line, in its words."""
    for option, text in options(arguments):
        if text is None:
            yield f"option requires an argument -- '{option}'", "write a value after it"
        elif option == "o":
            try:
                name_and_value(text)
            except ValueError as problem:
                yield str(problem), _BRACES
        elif option not in _FLAGS | _WITH_VALUE:
            yield f"invalid option -- '{option}'", "remove it"
    end = options_end(arguments)
    taken = program(daemon).arguments
    left = [] if taken is Arguments.COMMAND else list(arguments[end:])
    what = "unexpected command-line argument"
    if taken is Arguments.FLAGS:
        what, left = "unknown attribute name", [word for word in left if not word.startswith("flags=")]
    if left:
        yield f"{what}: {left[0]}", _BRACES if end else "remove it"
