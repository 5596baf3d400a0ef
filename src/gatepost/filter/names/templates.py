"""What rules of AskDNS ask: names made of what the message says (perldoc Mail::SpamAssassin::Plugin::AskDNS)."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.names import subtests
from gatepost.filter.names.asked import Asked
from gatepost.filter.names.hosts import reversed_address
from gatepost.filter.names.questions import Want
from gatepost.filter.port import Examined, Relay
from gatepost.filter.rules.ruleset import Rule

_TAG: Final = re.compile(r"_([A-Z][A-Z\d]*)(?:\(([^()_]{1,200})\))?_")
_ANY: Final = ("A", "AAAA", "MX", "NS", "TXT")
_MOST_VALUES: Final = 10


class Template(Struct, frozen=True):
    """A name with tags, and what is wanted of its records."""

    name: str
    records: tuple[str, ...]
    wants: tuple[Want, ...]


def templates(rules: Sequence[Rule]) -> tuple[Template, ...]:
    """The templates of `askdns` rules. One whose filter cannot be understood asks nothing."""
    found = []
    for rule in rules:
        if rule.lookup and rule.lookup.how == "askdns" and (wants := subtests.of_template(rule.name, rule.lookup.answer)):
            words = tuple(word for word in re.split(r"[\s,]+", rule.lookup.record) if word)
            found.append(Template(rule.lookup.zone, _ANY if "ANY" in words else words or ("A",), wants))
    return tuple(found)


def ask(made: Iterable[Template], examined: Examined, asked: Asked) -> None:
    """What these templates ask about a message."""
    known: dict[tuple[str, str], list[str]] = {}

    def values(tag: str, argument: str) -> list[str]:
        if (tag, argument) not in known:
            known[tag, argument] = _values(examined, tag, argument)
        return known[tag, argument]

    for one in made:
        for name in _filled(one.name, values):
            for record in one.records:
                asked.add(name, record, one.wants)


def _filled(template: str, values: Callable[[str, str], list[str]]) -> list[str]:
    """The template with each combination of the values of its tags; none where a tag has none."""
    names = [""]
    at = 0
    for found in _TAG.finditer(template):
        between, at = template[at : found.start()], found.end()
        of_tag = values(found.group(1), found.group(2) or "")
        names = [f"{name}{between}{value}" for name in names for value in of_tag][:_MOST_VALUES]
    return [name + template[at:] for name in names]


def _values(examined: Examined, tag: str, argument: str) -> list[str]:
    if tag == "HEADER":
        text = examined.headers.get(argument) or b""
        return [word.decode("utf-8", "replace") for word in text.split()[:_MOST_VALUES]]
    made = _TAGS.get(tag)
    value = made(examined) if made else ""
    return [value] if value else []


def _domain(examined: Examined, header: str) -> str:
    address = examined.headers.get(f"{header}:addr") or b""
    return address.rpartition(b"@")[2].decode("utf-8", "replace").strip().lower()


def _external(examined: Examined) -> Relay:
    return next(iter(examined.relays.external), Relay())


def _first_trusted(examined: Examined) -> Relay:
    return next(iter(examined.relays.untrusted), Relay())


_TAGS: Final[dict[str, Callable[[Examined], str]]] = {
    "AUTHORDOMAIN": lambda examined: _domain(examined, "From"),
    "SENDERDOMAIN": lambda examined: _domain(examined, "EnvelopeFrom"),
    "FIRSTTRUSTEDIP": lambda examined: _first_trusted(examined).ip,
    "FIRSTTRUSTEDREVIP": lambda examined: reversed_address(_first_trusted(examined).ip) or "",
    "LASTEXTERNALHELO": lambda examined: _external(examined).helo,
    "LASTEXTERNALIP": lambda examined: _external(examined).ip,
    "LASTEXTERNALRDNS": lambda examined: _external(examined).rdns,
    "LASTEXTERNALREVIP": lambda examined: reversed_address(_external(examined).ip) or "",
}
"""Tags that a template may have; others have no value, and a rule with one asks nothing."""
