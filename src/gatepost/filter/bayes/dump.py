"""What Bayes has learned as a text, as `sa-learn --backup` writes it and `sa-learn --restore` reads it.

Lines of fields between tabs: `v N num_spam`, `v N num_nonspam`; `t SPAM HAM SECONDS TOKEN` with the token in hexadecimal figures;
`s KIND MESSAGE`, a message that was learned, `s` or `h`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from gatepost.filter.bayes.port import Count
from gatepost.filter.bayes.store import Change, Store
from gatepost.filter.bayes.tokens import LENGTH

VERSION: Final = 3
_GENERATED: Final = "@sa_generated"
_MESSAGE: Final = 20
_LARGEST: Final = 0xFFFFFFFF


class NoDump(ValueError):
    """It is no such text; the text says which line is wrong, and how."""


def dump(store: Store) -> Iterator[str]:
    """The lines."""
    learned = store.learned()
    yield f"v\t{VERSION}\tdb_version # this must be the first line!!!\n"
    yield f"v\t{learned.spam}\tnum_spam\n"
    yield f"v\t{learned.ham}\tnum_nonspam\n"
    for token, count in store.tokens():
        yield f"t\t{count.spam}\t{count.ham}\t{count.seen_at}\t{token.hex()}\n"
    for message, spam in store.messages():
        yield f"s\t{'s' if spam else 'h'}\t{message.hex()}{_GENERATED}\n"


def restore(store: Store, lines: Iterable[str]) -> int:
    """Put what the lines say in the place of all that was learned, as a whole or not at all; 0. Raises NoDump."""
    number = 0
    with store.change() as change:
        change.clear()
        for number, line in enumerate(lines, 1):
            try:
                _take(change, line.rstrip("\n").split("\t", 4), first=number == 1)
            except (ValueError, LookupError):
                raise NoDump(f"line {number}: not of a dump that sa-learn --backup writes: {line[:80].rstrip()!r}") from None
        if not number:
            raise NoDump("it is empty")
    return 0


def _take(change: Change, fields: list[str], *, first: bool) -> None:
    kind = fields[0]
    if first and (kind != "v" or _number(fields[1]) != VERSION or not fields[2].startswith("db_version")):
        raise ValueError(fields)
    if kind == "v":
        number, name = _number(fields[1]), fields[2].split(None, 1)[0]
        if name in ("num_spam", "num_nonspam"):
            change.count(spam=number * (name == "num_spam"), ham=number * (name == "num_nonspam"))
    elif kind == "t":
        token = bytes.fromhex(fields[4])
        if len(token) != LENGTH:
            raise ValueError(fields)
        change.put(token, Count(_number(fields[1]), _number(fields[2]), _number(fields[3])))
    elif kind == "s":
        _remember(change, spam={"s": True, "h": False}[fields[1]], name=fields[2])
    elif any(fields):
        raise ValueError(fields)


def _remember(change: Change, *, spam: bool | None, name: str) -> None:
    """A message that was learned, where it is named by a hash; others could never be met again."""
    try:
        message = bytes.fromhex(name.removesuffix(_GENERATED))
    except ValueError:
        return
    if len(message) == _MESSAGE:
        change.remember(message, spam, 0)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError(text)
    return min(int(text), _LARGEST)
