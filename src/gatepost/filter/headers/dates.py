"""Dates of headers as rules read them, leniently (RFC 5322 §3.3 and §4.3): what is not there is taken for nought."""

import calendar
import re
from typing import Final

_MONTHS: Final = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_ZONES: Final = {b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7}
"""Hours; UTC and what nobody knows are nought."""

_DATE: Final = re.compile(
    rb"\s*(?:[A-Za-z]{3,9}[,.]?\s+)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*[,.]?[\s-]+(\d{2,4})\s+"
    rb"(\d{1,2}):(\d{2})(?::(\d{2}))?[\d.]*\s*(?:([+-])(\d{2})(\d{2})|([A-Z]{3})\b)?"
)
LIMIT: Final = 256
"""Octets that are looked at."""
_CENTURY: Final = 100
_PIVOT: Final = 69


def seconds(text: bytes) -> int | None:
    """Seconds since 1970; None for no date."""
    match = _DATE.match(text[:LIMIT])
    if match is None or match[2].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(match[2].lower()) + 1
    day, year, hour, minute, second = (int(match[group] or 0) for group in (1, 3, 4, 5, 6))
    if year < _CENTURY:
        year += 1900 if year >= _PIVOT else 2000
    if match[7]:
        offset = (int(match[8]) * 60 + int(match[9])) * (-60 if match[7] == b"-" else 60)
    else:
        offset = _ZONES.get(match[10] or b"", 0) * 3600
    return calendar.timegm((year, month, day, hour, minute, second)) - offset
