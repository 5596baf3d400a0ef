"""What rules of HashBL ask: digests of what stands in a message (perldoc Mail::SpamAssassin::Plugin::HashBL)."""

import base64
import functools
import hashlib
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.names import subtests
from gatepost.filter.names.asked import Asked
from gatepost.filter.names.questions import Want
from gatepost.filter.port import Examined
from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.perl import translated
from gatepost.filter.rules.ruleset import Rule
from gatepost.lookup.matching import Subject, TooMuch, Unanswered
from gatepost.lookup.pcre2 import Expression

_MOST: Final = 10
_MOST_SEEN: Final = 1000
"""Values of a message that are looked at for one rule."""
_TEXT_LIMIT: Final = 1 << 18
"""Octets of the text that is searched for a rule."""
_MAIL: Final = re.compile(
    rb"(?<![\w.+=&-])([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63})(?![\w-])"
)
_LOCAL: Final = r"^127\."
_DIGESTS: Final[dict[str, Callable[[bytes], str]]] = {
    "raw": lambda value: value.decode("utf-8", "replace"),
    "md5": lambda value: hashlib.md5(value, usedforsecurity=False).hexdigest(),
    "sha1": lambda value: hashlib.sha1(value, usedforsecurity=False).hexdigest(),
    "sha256": lambda value: base64.b32encode(hashlib.sha256(value).digest()).decode("ascii").rstrip("="),
}


class HashList(Struct, frozen=True):
    """A list that is asked for digests.

    what: `emails`, `uris`, `bodyre`, `attachments`.
    options: words of the rule (`sha1`, `case`, `max=5`, `shuffle` ...).
    argument: headers, or the pattern.
    acl: names of `hashbl_acl_NAME`: only addresses of these domains are asked for.
    """

    what: str
    zone: str
    record: str
    options: tuple[str, ...]
    argument: str
    acl: tuple[str, ...]
    wants: tuple[Want, ...]
    kind: str

    def option(self, name: str, default: int) -> int:
        """A number of `name=N`."""
        found = [word.partition("=")[2] for word in self.options if word.startswith(f"{name}=")]
        return int(found[-1]) if found and found[-1].isdigit() else default


_DEFAULTS: Final = {"emails": "sha1/notag/noquote/max=10/shuffle"}


def hash_lists(rules: Sequence[Rule]) -> tuple[HashList, ...]:
    """The lists that rules of `check_hashbl_*` ask."""
    return tuple(_hash_lists(rules))


def _hash_lists(rules: Sequence[Rule]) -> Iterator[HashList]:
    for rule in rules:
        call = rule.call
        what = call.function.removeprefix("check_hashbl_") if call else ""
        if call is None or what not in _VALUES or not call.arguments:
            continue
        zone, options, *rest = (*call.arguments, "")
        argument, answer, acl = (*rest, "", "", "")[:3] if what in ("emails", "bodyre") else ("", (*rest, "")[0], "")
        want = subtests.of_list(rule.name, answer or _LOCAL)
        zone, _, record = zone.partition("/")
        words = tuple((options or _DEFAULTS.get(what, "sha1/max=10/shuffle")).lower().split("/"))
        if want and zone:
            yield HashList(
                what, zone, record or "A", words, argument, tuple(acl.split("/")) if acl else (), (want,), rule.kind.value
            )


def ask(lists: Iterable[HashList], examined: Examined, asked: Asked) -> None:
    """What these lists are asked about a message."""
    ignored = {word.lower().encode() for line in examined.option("hashbl_ignore") for word in line.split()}
    for one in lists:
        digest = next((_DIGESTS[word] for word in one.options if word in _DIGESTS), _DIGESTS["sha1"])
        values: dict[bytes, None] = {}
        for value in _VALUES[one.what](examined, one):
            if len(values) >= _MOST_SEEN:
                break
            if value.lower() not in ignored:
                values[value if "case" in one.options or one.what == "attachments" else value.lower()] = None
        for value in _chosen(list(values), one):
            asked.add(f"{digest(value)}.{one.zone}", one.record, one.wants)


def _chosen(values: list[bytes], one: HashList) -> list[bytes]:
    most = min(one.option("max", _MOST), 10 * _MOST)
    if len(values) > most and "shuffle" in one.options:
        return random.sample(values, most)
    return values[:most]


def _emails(examined: Examined, one: HashList) -> Iterator[bytes]:
    domains = {word.lower().encode() for name in one.acl for line in examined.option(f"hashbl_acl_{name}") for word in line.split()}
    for text in _texts_of_emails(examined, one.argument or "ALLFROM/Reply-To/body"):
        for found in _MAIL.finditer(text[:_TEXT_LIMIT]):
            user, _, host = found.group(1).partition(b"@")
            if one.acl and host.lower() not in domains:
                continue
            user = user.partition(b"+")[0] if "notag" in one.options else user
            user = user.replace(b".", b"") if "nodot" in one.options else user
            yield user if "user" in one.options else host if "host" in one.options else user + b"@" + host


def _texts_of_emails(examined: Examined, names: str) -> Iterator[bytes]:
    for name in names.split("/"):
        if name == "body":
            yield from examined.text.body[1:]
        elif name == "ALLFROM":
            yield from (examined.headers.get(one) or b"" for one in ("From", "EnvelopeFrom", "Sender"))
        else:
            yield examined.headers.get(name) or b""


def _uris(examined: Examined, one: HashList) -> Iterator[bytes]:
    return (uri.raw for uri in examined.text.uris if uri.raw.lower().startswith((b"http:", b"https:")))


def _captured(examined: Examined, one: HashList) -> Iterator[bytes]:
    try:
        expression = _expression(one.argument)
    except (Untranslatable, ValueError):
        return
    for text in examined.text.raw_body if one.kind == "rawbody" else examined.text.body:
        for value in _matches(expression, text[:_TEXT_LIMIT]):
            yield re.sub(rb"\D", b"", value) if "num" in one.options else value


def _matches(expression: Expression, text: bytes) -> Iterator[bytes]:
    for _ in range(_MOST):
        try:
            groups = expression.search(Subject(text))
        except (TooMuch, Unanswered):
            return
        if not groups or not groups[0]:
            return
        yield groups[1] if len(groups) > 1 and groups[1] else groups[0]
        text = text[text.find(groups[0]) + len(groups[0]) :]


@functools.lru_cache(maxsize=100)
def _expression(pattern: str) -> Expression:
    made = translated(f"m\x01{pattern}\x01")
    return Expression(made.octets, made.options, captures=True)


def _attachments(examined: Examined, one: HashList) -> Iterator[bytes]:
    ignored = {word.lower() for line in examined.option("hashbl_ignore") for word in line.split()}
    least, most = one.option("minsize", 0), one.option("maxsize", 1 << 62)
    for part in examined.parts:
        if not part.composite and part.type not in ignored and part.content and least <= len(part.content) <= most:
            yield part.content


_VALUES: Final[dict[str, Callable[[Examined, HashList], Iterator[bytes]]]] = {
    "attachments": _attachments,
    "bodyre": _captured,
    "emails": _emails,
    "uris": _uris,
}
