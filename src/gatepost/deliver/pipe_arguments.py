"""The arguments of a pipe(8) command: `$name` and `${name}` replaced, those about recipients repeated for each recipient.

Every argument stays one argument, whatever is in the values: there is no shell of ours in between.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from gatepost.lookup.address import split_extension
from gatepost.mail.address import external, split

_REFERENCE = re.compile(r"\$(?:\$|\{([^{}]*)\}|\(([^()]*)\)|([A-Za-z0-9_]+))")

PER_RECIPIENT = frozenset(("recipient", "original_recipient", "user", "extension", "mailbox", "domain"))
"""Names for which an argument is repeated."""


class UnknownMacro(Exception):
    """A name that pipe(8) does not know."""

    def __init__(self, name: str) -> None:
        super().__init__(f'unknown macro name: "{name}"')


class AddressFormat(Struct, frozen=True):
    """How addresses are written: `q` quotes local parts, `h` folds domains to lower case, `u` local parts (flags=)."""

    flags: frozenset[str] = frozenset()
    delimiters: str = ""
    owner_request_special: bool = True


def written(address: str, flags: frozenset[str]) -> str:
    """An address for a command line."""
    return external(address) if "q" in flags else address


def recipient_values(address: str, original: str, addresses: AddressFormat) -> dict[str, str]:
    """What the names about one recipient stand for."""
    flags = addresses.flags
    mailbox, domain = split(address)
    mailbox = mailbox.lower() if "u" in flags else mailbox
    domain = domain.lower() if "h" in flags else domain
    user, tail = split_extension(mailbox, addresses.delimiters, owner_request_special=addresses.owner_request_special)
    return {
        "recipient": written(f"{mailbox}@{domain}" if domain else mailbox, flags),
        "original_recipient": written(original, flags),
        "mailbox": mailbox,
        "user": user,
        "extension": tail[1:],
        "domain": domain,
    }


def expanded(argv: Sequence[str], values: Mapping[str, str], recipients: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """The arguments with all names replaced. Raises UnknownMacro."""
    return tuple(argument for word in argv for argument in _expanded(word, values, recipients))


def literals(word: str) -> tuple[list[str], set[str]]:
    """What is fixed of a word, before, between and after its names; and the names."""
    fixed, names, end = [""], set[str](), 0
    for match in _REFERENCE.finditer(word):
        fixed[-1] += word[end : match.start()]
        end = match.end()
        if match[0] == "$$":
            fixed[-1] += "$"
        else:
            names.add(match[1] or match[2] or match[3])
            fixed.append("")
    fixed[-1] += word[end:]
    return fixed, names


def _expanded(word: str, values: Mapping[str, str], recipients: Sequence[Mapping[str, str]]) -> Iterator[str]:
    _, names = literals(word)
    for name in names:
        if name not in values and name not in PER_RECIPIENT:
            raise UnknownMacro(name or "")
    if names & PER_RECIPIENT:
        for recipient in recipients:
            yield _replaced(word, {**values, **recipient})
    else:
        yield _replaced(word, values)


def _replaced(word: str, values: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: "$" if match[0] == "$$" else values[match[1] or match[2] or match[3]], word)
