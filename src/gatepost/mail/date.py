"""Dates as mail headers write them (RFC 5322 §3.3)."""

import time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def mail_date(seconds: float) -> str:
    """`seconds` since 1970 in local time, with the zone's name as a comment: `Tue, 24 Nov 2026 20:35:23 +0000 (UTC)`."""
    t = time.localtime(seconds)
    offset = t.tm_gmtoff // 60
    hours, minutes = divmod(abs(offset), 60)
    day = f"{_DAYS[t.tm_wday]}, {t.tm_mday:2d} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
    clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    return f"{day} {clock} {'-' if offset < 0 else '+'}{hours:02d}{minutes:02d} ({t.tm_zone})"


class MailDates:
    """Dates as RFC 5322 §3.3 writes them, in local time; the text of a second is made once."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, seconds: float) -> str:
        second = int(seconds)
        if second != self._second:
            self._second = second
            self._text = mail_date(second)
        return self._text
