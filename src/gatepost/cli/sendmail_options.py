"""The command line of sendmail(1): its options, many of them of old and ignored, and what they ask for.

As Postfix does, options may stand after recipients, and every complaint about them comes twice: once when the configuration
directory is looked for, once when they are obeyed.
"""

import sys
from collections.abc import Callable, Sequence

from msgspec import UNSET, UnsetType

from gatepost.cli.command import Command, Fatal
from gatepost.mail.ascii_text import elements, is_number, upper
from gatepost.mail.envelope import Notify

_SHORT = frozenset("GIUcimntvx")
_WITH_VALUE = frozenset("ABCFLNORVXbefhopqr")


class Asked:
    """What the command line asks for. `mode`: a letter as after -b (`m` deliver, `p` list the queue, `i` rebuild aliases, `s`
    SMTP on standard input, `d` start the daemon, `q` flush, `h` ask for what is not there); `sender` is UNSET for the user's
    own address; `dot_ends`: a line with a dot alone ends the message; `flush`: what of the queue to flush (-qI and -qR), an
    option of postqueue; `aliases`: the database to rebuild instead of those that are configured (-oA); `gateway`: leave the headers
    as they are (-G)."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.recipients: list[str] = []
        self.sender: str | UnsetType = UNSET
        self.extract = False
        self.fullname = ""
        self.encoding = ""
        self.notify = 0
        self.envid = ""
        self.ret = ""
        self.verp: str | UnsetType = UNSET
        self.verify = False
        self.verbose = 0
        self.dot_ends = True
        self.gateway = False
        self.aliases = ""
        self.flush: tuple[str, ...] = ("-f",)


Option = tuple[str, str]


def scan(arguments: Sequence[str]) -> tuple[list[Option], list[str], list[str]]:
    """(options, operands, complaints): letters with their values. `-q` alone and `-XV` alone are options of their own."""
    options: list[Option] = []
    operands: list[str] = []
    complaints: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            operands += left
            break
        if word == "-" or not word.startswith("-"):
            operands.append(word)
        elif word == "-q":
            options.append(("q", ""))
        else:
            _word(word, left, options, complaints)
    return options, operands, complaints


def _word(word: str, left: list[str], options: list[Option], complaints: list[str]) -> None:
    """The options in one word; `left` loses a word where the last of them takes its value there."""
    for position, letter in enumerate(word[1:], 2):
        if letter in _WITH_VALUE:
            if value := word[position:]:
                options.append((letter, value))
            elif left:
                options.append((letter, left.pop(0)))
            else:
                complaints.append(f"option requires an argument -- '{letter}'")
            return
        if letter in _SHORT:
            options.append((letter, ""))
        else:
            complaints.append(f"invalid option -- '{letter}'")


def asked(command: Command, options: Sequence[Option], operands: Sequence[str], complaints: Sequence[str], mode: str) -> Asked:
    """What the scanned words ask for. Raises Fatal."""
    found = Asked(mode)
    for complaint in complaints:
        _complain(command, complaint)
    for letter, value in options:
        _EFFECTS.get(letter, _ignored)(command, found, value)
    for complaint in complaints:
        _complain(command, complaint)
    if complaints:
        raise Fatal(f"usage: {command.program} [options]")
    if found.extract and found.mode != "m":
        raise Fatal("-t can be used only in delivery mode")
    if found.verify:
        _check_verify(found)
    found.recipients = list(operands)
    if operands and found.mode in _NO_RECIPIENT:
        raise Fatal(f"{_NO_RECIPIENT[found.mode]} mode requires no recipient")
    return found


def _check_verify(found: Asked) -> None:
    for letter, given in (("t", found.extract), ("N", found.notify), ("R", found.ret), ("v", found.verbose)):
        if given:
            raise Fatal(f"-{letter} option cannot be used with -bv")


_NO_RECIPIENT = {
    "p": "display queue",
    "i": "alias initialization",
    "s": "stand-alone",
    "d": "daemon",
    "q": "flush queue",
}


def _complain(command: Command, complaint: str) -> None:
    sys.stderr.write(f"{command.program}: {complaint}\n")


def _ignored(command: Command, found: Asked, value: str) -> None:
    """Accepted from old users of Sendmail, without effect."""


def _mode(command: Command, found: Asked, value: str) -> None:
    letter = value[:1]
    if letter not in _MODES:
        raise Fatal(f"unsupported: -b{letter}")
    found.mode = _MODES[letter]
    found.verify |= letter == "v"


_MODES = {"H": "h", "a": "m", "d": "d", "h": "h", "i": "i", "l": "d", "m": "m", "p": "p", "s": "s", "v": "m"}
"""Modes by the letter of -b."""


def _encoding(command: Command, found: Asked, value: str) -> None:
    encodings = {"8BITMIME": "8bit", "7BIT": "7bit"}
    if upper(value) not in encodings:
        raise Fatal("-B option needs 8BITMIME or 7BIT")
    found.encoding = encodings[upper(value)]


def _sender(command: Command, found: Asked, value: str) -> None:
    found.sender = value


def _fullname(command: Command, found: Asked, value: str) -> None:
    found.fullname = value


def _rebuild(command: Command, found: Asked, value: str) -> None:
    found.mode = "i"


def _notify(command: Command, found: Asked, value: str) -> None:
    words = {"never": Notify.NEVER, "success": Notify.SUCCESS, "failure": Notify.FAILURE, "delay": Notify.DELAY}
    bits = Notify.DEFAULT
    good = True
    for word in elements(value):
        if word.lower() not in words:
            command.warn(f'unknown DSN NOTIFY command value "{word}" in "{value}"')
            good = False
            break
        bits |= words[word.lower()]
    if not good or not bits or (bits & Notify.NEVER and bits != Notify.NEVER):
        command.warn("bad -N option value -- ignored")
        return
    found.notify = int(bits)


def _unsupported_n(command: Command, found: Asked, value: str) -> None:
    raise Fatal("-n option not supported")


def _ret(command: Command, found: Asked, value: str) -> None:
    if upper(value) in ("FULL", "HDRS"):
        found.ret = upper(value)
    else:
        command.warn("bad -R option value -- ignored")


def _envid(command: Command, found: Asked, value: str) -> None:
    """-V: an envelope id; two characters are what -XV wants, whose name this was long ago."""
    if len(value) == 2:
        command.warn(f"option -V{value} is deprecated with Postfix 2.3; specify -XV{value} instead")
        found.verp = value
    else:
        found.envid = value


def _x(command: Command, found: Asked, value: str) -> None:
    """-XV: variable envelope return paths, with the default delimiters or those given."""
    if value[:1] != "V":
        raise Fatal(f"unsupported: -X{value[:1]}")
    found.verp = value[1:]


def _extract(command: Command, found: Asked, value: str) -> None:
    found.extract = True


def _ignore_dots(command: Command, found: Asked, value: str = "") -> None:
    found.dot_ends = False


def _o(command: Command, found: Asked, value: str) -> None:
    """Old names of options, one letter each."""
    letter = value[:1]
    if letter == "A":
        found.aliases = value[1:]
    else:
        {"i": _ignore_dots, "v": _verbose}.get(letter, _ignored)(command, found, "")


def _queue(command: Command, found: Asked, value: str) -> None:
    if not value:
        found.mode = "q"
    elif is_number(value[0]):
        found.mode = "d"
    elif value[0] in "IR":
        if not value[1:]:
            raise Fatal("specify: -qIqueueid" if value[0] == "I" else "specify: -qRsitename")
        found.mode, found.flush = "q", ("-i" if value[0] == "I" else "-s", value[1:])
    else:
        raise Fatal(f"-q{value[0]} is not implemented")


def _verbose(command: Command, found: Asked, value: str) -> None:
    found.verbose += 1


def _gateway(command: Command, found: Asked, value: str) -> None:
    found.gateway = True


Effect = Callable[[Command, Asked, str], None]
_EFFECTS: dict[str, Effect] = {
    "B": _encoding,
    "F": _fullname,
    "G": _gateway,
    "I": _rebuild,
    "N": _notify,
    "R": _ret,
    "V": _envid,
    "X": _x,
    "b": _mode,
    "f": _sender,
    "i": _ignore_dots,
    "n": _unsupported_n,
    "o": _o,
    "q": _queue,
    "r": _sender,
    "t": _extract,
    "v": _verbose,
}
