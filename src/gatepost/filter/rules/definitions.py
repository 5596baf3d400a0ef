"""Lines that define a rule (Conf(3pm), RULE DEFINITIONS; the pages of MIMEHeader, URIDetail, AskDNS and URIDNSBL): text in, what
they say out."""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gatepost.filter.rules.plugins import present_eval
from gatepost.filter.rules.ruleset import Call, Kind, Lookup

LONGEST_NAME: Final = 200

_NAME: Final = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_HEADER: Final = re.compile(r"([^\s:=~!]+(?::[a-z]+)*):?\s*([=!])~\s*(.+)\Z", re.DOTALL)
_EXISTS: Final = re.compile(r"exists:([^\s:]+)\Z")
_UNSET: Final = re.compile(r"(?<!\s)\s+\[if-unset:\s+(.*)\]\s*\Z", re.DOTALL)
_EVAL: Final = re.compile(r"eval:(\w+)\((.*)\)\Z", re.ASCII | re.DOTALL)
_ARGUMENT: Final = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([\w.]+))\s*(?:,|\Z)""", re.DOTALL)
_CONDITION: Final = re.compile(r"\s*([a-z]+)\s*([=!])~\s*(m?/(?:[^/\\]|\\.)*/[a-z]*)(?=\s|\Z)", re.DOTALL)
_PARTS: Final = frozenset(("raw", "addr", "name", "host", "domain", "ip", "revip", "first", "last"))
_KEYS: Final = frozenset(("raw", "type", "cleaned", "text", "domain", "host"))
_RECORDS: Final = re.compile(r"[A-Z0-9]+(?:,[A-Z0-9]+)*\Z")
_SUBTEST: Final = re.compile(
    r"(?:\d+|0x[0-9a-f]{1,8}|\d+\.\d+\.\d+\.\d+)(?:[-/](?:\d+|0x[0-9a-f]{1,8}|\d+\.\d+\.\d+\.\d+))?\Z", re.I
)


class Malformed(ValueError):
    """A line that defines nothing; the message says why."""


class Written(Struct, frozen=True):
    """What the line of a rule says, its patterns still as text: tags may be replaced in them."""

    kind: Kind
    header: str = ""
    exists: bool = False
    negated: bool = False
    unset: str | None = None
    pattern: str = ""
    call: Call | None = None
    conditions: tuple[tuple[str, bool, str], ...] = ()
    expression: str = ""
    lookup: Lookup | None = None


def name_and_rest(value: str) -> tuple[str, str]:
    """The name of a rule and what follows it. Raises Malformed."""
    words = value.split(None, 1)
    if not words:
        raise Malformed("the name of the rule is missing")
    name, rest = words[0], words[1].strip() if len(words) > 1 else ""
    if not _NAME.match(name) or len(name) > LONGEST_NAME:
        raise Malformed(f"{name[:60]} is no name of a rule")
    return name, rest


def _call(text: str) -> Call | None:
    """The call of an `eval:` rule, None for another rule."""
    if not text.startswith("eval:"):
        return None
    found = _EVAL.match(text)
    if not found:
        raise Malformed(f"{text[:60]} is no call of a function")
    inside, at, arguments = found.group(2).strip(), 0, []
    while at < len(inside):
        argument = _ARGUMENT.match(inside, at)
        if not argument:
            raise Malformed(f"{inside[at:][:60]} is no argument")
        arguments.append(next(value for value in argument.groups() if value is not None))
        at = argument.end()
    return Call(present_eval(found.group(1)), tuple(arguments))


def _header(text: str) -> Written:
    if call := _call(text):
        return Written(Kind.HEADER, call=call)
    if text.startswith("exists:"):
        exists = _EXISTS.match(text)
        if not exists:
            raise Malformed("exists: wants the name of a header")
        return Written(Kind.HEADER, header=exists.group(1), exists=True)
    return _matched(Kind.HEADER, text)


def _matched(kind: Kind, text: str) -> Written:
    unset = _UNSET.search(text)
    found = _HEADER.match(text[: unset.start()] if unset else text)
    if not found:
        raise Malformed("a header, =~ or !~ and a pattern are expected")
    header, sign, pattern = found.groups()
    for part in header.split(":")[1:]:
        if part not in _PARTS:
            raise Malformed(f":{part} is no part of a header")
    return Written(kind, header=header, negated=sign == "!", unset=unset.group(1) if unset else None, pattern=pattern.strip())


def _text(kind: Kind) -> Callable[[str], Written]:
    def written(text: str) -> Written:
        call = None if kind is Kind.URI else _call(text)
        return Written(kind, call=call) if call else Written(kind, pattern=text)

    return written


def _uri_detail(text: str) -> Written:
    conditions: list[tuple[str, bool, str]] = []
    at = 0
    while at < len(text):
        found = _CONDITION.match(text, at)
        if not found or found.group(1) not in _KEYS:
            raise Malformed(f"{text[at:].strip()[:60]} is no condition of uri_detail")
        conditions.append((found.group(1), found.group(2) == "!", found.group(3)))
        at = found.end()
    if not conditions:
        raise Malformed("a condition is missing")
    return Written(Kind.URI_DETAIL, conditions=tuple(conditions))


def _askdns(text: str) -> Written:
    words = text.split(None, 2)
    if not words:
        raise Malformed("what is to be asked is missing")
    records = words[1].upper() if len(words) > 1 else "A"
    if not _RECORDS.match(records):
        raise Malformed(f"{records[:60]} is no type of a record")
    return Written(Kind.ASKDNS, lookup=Lookup("askdns", words[0], records, words[2] if len(words) > 2 else ""))


def _meta(text: str) -> Written:
    if not text:
        raise Malformed("its expression is missing")
    return Written(Kind.META, expression=text)


DEFINITIONS: Final[dict[str, Callable[[str], Written]]] = {
    "header": _header,
    "body": _text(Kind.BODY),
    "rawbody": _text(Kind.RAWBODY),
    "full": _text(Kind.FULL),
    "uri": _text(Kind.URI),
    "mimeheader": lambda text: _matched(Kind.MIMEHEADER, text),
    "uri_detail": _uri_detail,
    "askdns": _askdns,
    "meta": _meta,
}
"""The words that define a rule, and what reads the rest of their lines. They raise Malformed."""

LOOKUPS: Final = frozenset(
    ("uridnsbl", "uridnssub", "urirhsbl", "urirhssub", "urinsrhsbl", "urinsrhssub", "urifullnsrhsbl", "urifullnsrhssub")
)
"""The words that say where `check_uridnsbl` asks for a rule."""


def lookup(word: str, text: str) -> Lookup:
    """The rest of such a line: `ZONE TYPE [SUBTEST]`. Raises Malformed."""
    words = text.split()
    wanted = 3 if word.endswith("sub") else 2
    if len(words) != wanted or words[1].upper() not in ("A", "TXT"):
        raise Malformed(f"{word} wants a zone, A or TXT{' and a subtest' if wanted == 3 else ''}")
    answer = words[2] if wanted == 3 else ""
    if answer and not _SUBTEST.match(answer):
        raise Malformed(f"{answer[:60]} is no subtest")
    return Lookup(word, words[0].rstrip("."), words[1].upper(), answer)
