"""Which records count for a rule: the notations of rule files, and whether a record fits.

Sources: perldoc Mail::SpamAssassin::Conf (check_rbl_sub), Mail::SpamAssassin::Plugin::URIDNSBL and AskDNS ("subtest").
"""

import functools
import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Final

from gatepost.filter.names.questions import Fit, Want
from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.perl import translated
from gatepost.lookup.matching import Subject, TooMuch, Unanswered
from gatepost.lookup.pcre2 import Expression

_NUMBER: Final = r"(0x[0-9A-Fa-f]{1,8}|\d{1,10}(?:\.\d{1,3}){3}|\d{1,10})"
_ONE: Final = re.compile(_NUMBER)
_TWO: Final = re.compile(rf"{_NUMBER}([-/]){_NUMBER}")
_QUOTED: Final = re.compile(r"([\"'])(.*)\1", re.DOTALL)
_CODES: Final[dict[str, int]] = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
_LOCAL: Final = 0x7F000000
_LOCAL_MASK: Final = 0xFF000000
_LOOKED_AT: Final = 4096
"""Characters of all records together that a pattern is tried on: who chose them may be who sent the message."""


def numeric(rule: str, answer: str) -> Want | None:
    """`127.0.0.2`, `16`, `0x10`, `n1-n2`, `n/mask`; None for anything else."""
    two = _TWO.fullmatch(answer)
    if two:
        low, high = _value(two.group(1)), _value(two.group(3))
        return Want(rule, Fit.RANGE if two.group(2) == "-" else Fit.MASKED, low=low, high=high)
    if not _ONE.fullmatch(answer):
        return None
    value = _value(answer)
    return Want(rule, Fit.RANGE, low=value, high=value) if "." in answer else Want(rule, Fit.BITS, low=value)


def of_list(rule: str, answer: str) -> Want | None:
    """Of `check_rbl` and its kind: a number, or a pattern without strokes. None where it is no pattern."""
    if not answer:
        return Want(rule)
    return numeric(rule, answer) or _pattern(rule, f"m\x01{answer}\x01")


def of_template(rule: str, answer: str) -> tuple[Want, ...]:
    """Of `askdns`: a text in quotes, a pattern in strokes, numbers, or codes in brackets. Empty where it is none of them."""
    if not answer:
        return (Want(rule),)
    quoted = _QUOTED.fullmatch(answer)
    if quoted:
        return (Want(rule, Fit.TEXT, quoted.group(2).encode("latin-1", "replace")),)
    if answer.startswith("["):
        return tuple(_codes(rule, answer.strip("[]")))
    want = numeric(rule, answer) or _pattern(rule, answer)
    return (want,) if want else ()


def _codes(rule: str, names: str) -> Iterator[Want]:
    for name in names.upper().split(","):
        code = int(name) if name.strip().isdigit() else _CODES.get(name.strip())
        if code is not None:
            yield Want(rule, Fit.CODE, low=code)


def _pattern(rule: str, literal: str) -> Want | None:
    try:
        pattern = translated(literal)
    except Untranslatable:
        return None
    return Want(rule, Fit.PATTERN, pattern.octets, low=pattern.options)


def _value(number: str) -> int:
    if "." in number:
        try:
            return int(ipaddress.IPv4Address(number))
        except ValueError:
            return 0
    return int(number, 0) if number.startswith("0x") else int(number)


def fits(want: Want, records: Sequence[str], code: int) -> str | None:
    """The record that makes the rule hit, None where none does. `code`: the response code, which is 0 where there are records."""
    if want.fit is Fit.CODE:
        return f"code {code}" if code == want.low else None
    if want.fit is Fit.ABSENT:
        return None
    left = _LOOKED_AT
    for record in records:
        left -= len(record) if want.fit is Fit.PATTERN else 0
        if left >= 0 and _fits(want, record):
            return record
    return None


def _fits(want: Want, record: str) -> bool:
    if want.fit is Fit.ANY:
        return True
    octets = record.encode("utf-8", "surrogateescape")
    if want.fit is Fit.TEXT:
        return octets == want.text
    if want.fit is Fit.PATTERN:
        return _matches(want.text, want.low, octets)
    try:
        value = int(ipaddress.IPv4Address(record))
    except ValueError:
        return False
    if want.fit is Fit.RANGE:
        return want.low <= value <= want.high
    if want.fit is Fit.MASKED:
        return value & want.high == want.low & want.high
    return bool(value & want.low) and value & _LOCAL_MASK == _LOCAL


def _matches(pattern: bytes, options: int, octets: bytes) -> bool:
    try:
        return _expression(pattern, options).search(Subject(octets)) is not None
    except (ValueError, TooMuch, Unanswered):
        return False


@functools.lru_cache(maxsize=1000)
def _expression(pattern: bytes, options: int) -> Expression:
    return Expression(pattern, options, captures=False)
