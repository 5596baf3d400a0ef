"""What a message that passes is marked with: headers and a subject tag as amavisd-new writes them, and no forged ones."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.admission.edits import DropHeaders, Edit, InsertHeader, PrefixHeader
from gatepost.filter.verdict import Category, Contents, Destiny, Ruling, Verdict

FORGED: Final = DropHeaders(frozenset(("x-amavis-alert", "x-quarantine-id")), ("x-spam-", "x-virus-"))
"""What only we say of mail that comes to us."""

_MOST_STARS: Final = 64
_LINE: Final = 78


class MarkSettings(Struct, frozen=True):
    """What marks say: parameters of the same names."""

    filter_subject_tag: str
    filter_unchecked_subject_tag: str
    filter_scanned_header: str


def marks(verdict: Verdict, settings: MarkSettings, quarantined: str = "") -> tuple[Edit, ...]:
    """The edits of a message that passes. Its recipients have one copy of it: it says what the first of those who see marks is to
    see. `quarantined`: under which name a copy is kept."""
    has_it = [ruling for ruling in verdict.rulings if ruling.destiny is Destiny.PASS]
    headers = tuple(_headers(verdict.contents, has_it, settings, quarantined))
    edits: list[Edit] = [FORGED, *_tags(has_it, settings)]
    edits += (InsertHeader(place, name, value.encode()) for place, (name, value) in enumerate(headers))
    return tuple(edits)


def _tags(rulings: Sequence[Ruling], settings: MarkSettings) -> Iterator[PrefixHeader]:
    for category, tag in (
        (Category.UNCHECKED, settings.filter_unchecked_subject_tag),
        (Category.SPAMMY, settings.filter_subject_tag),
    ):
        if tag and any(ruling.shows(category) for ruling in rulings):
            yield PrefixHeader(b"Subject", tag.encode())


def _headers(
    contents: Contents, rulings: Sequence[Ruling], settings: MarkSettings, quarantined: str
) -> Iterator[tuple[bytes, str]]:
    if quarantined:
        yield b"X-Quarantine-ID", f"<{quarantined}>"
    if contents.virus_scanned and settings.filter_scanned_header:
        yield b"X-Virus-Scanned", settings.filter_scanned_header
    if alert := _alert(contents, rulings):
        yield b"X-Amavis-Alert", folded("X-Amavis-Alert", alert.split(" "))
    shown = max((ruling for ruling in rulings if ruling.tagged), key=_is_spam, default=None)
    if shown is not None:
        yield b"X-Spam-Flag", "YES" if _is_spam(shown) else "NO"
        yield b"X-Spam-Score", points(contents.score)
        yield b"X-Spam-Level", "*" * max(0, min(_MOST_STARS, int(contents.score)))
        yield b"X-Spam-Status", _status(contents, shown)


def _alert(contents: Contents, rulings: Sequence[Ruling]) -> str:
    """What is worst about a message that somebody has all the same, spam apart."""
    alerts = (
        (Category.VIRUS, "INFECTED, message contains virus: ", contents.viruses),
        (Category.BANNED, "BANNED, message contains ", contents.banned),
        (Category.UNCHECKED, "UNCHECKED, ", contents.unchecked),
        (Category.BAD_HEADER, "BAD HEADER SECTION, ", contents.bad_header),
    )
    told = (words + ", ".join(what) for category, words, what in alerts if any(ruling.shows(category) for ruling in rulings))
    return next(told, "")


def _is_spam(ruling: Ruling) -> bool:
    return ruling.shows(Category.SPAMMY)


def _status(contents: Contents, shown: Ruling) -> str:
    tests = ", ".join(f"{one.rule}={points(one.score)}" for one in contents.tests)
    said = (
        f"{'Yes' if _is_spam(shown) else 'No'}, score={points(contents.score)} tagged_above={points(shown.levels.tag)}"
        f" required={points(shown.levels.tag2)} tests=[{tests}]"
    )
    return folded("X-Spam-Status", [*said.split(" "), "autolearn=no autolearn_force=no"])


def points(score: float) -> str:
    """A score as amavis writes it: three decimals at most, no zeros at the end."""
    text = f"{score:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def folded(name: str, words: Sequence[str]) -> str:
    """A value in lines of 78 characters, where its words allow that."""
    lines, room = [words[0]], _LINE - len(name) - 2 - len(words[0])
    for word in words[1:]:
        if len(word) + 1 > room:
            lines.append(word)
            room = _LINE - 1 - len(word)
        else:
            lines[-1] += f" {word}"
            room -= len(word) + 1
    return "\n ".join(lines)
