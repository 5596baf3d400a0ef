"""Functions of HeaderEval about Date, beside the dates of Received lines."""

import re
from collections.abc import Sequence
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache
from typing import Final

from gatepost.filter.headers.values import unfolded
from gatepost.filter.port import Eval, Examined

_HOUR: Final = 3600
_OUTLOOK_ID: Final = re.compile(rb"<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@")
_TICKS: Final = 10_000_000
_EPOCH: Final = 11_644_473_600
"""FILETIME of Windows counts tenths of microseconds since 1601."""
_FUDGE: Final = 250
_TWELVE: Final = re.compile(rb"(\d:\d\d) ([AaPp])[Mm]\b")
_LIMIT: Final = 256
_LINES: Final = 100


@lru_cache(256)
def _time(text: bytes) -> int | None:
    """Seconds since 1970; None for no date."""
    match = _TWELVE.search(text[:_LIMIT])
    found = parsedate_tz(_TWELVE.sub(rb"\1", text[:_LIMIT]).decode("latin-1"))
    if found is None:
        return None
    hour = found[3] % 12 + 12 * (match[2] in b"Pp") if match else found[3]
    try:
        return int(mktime_tz((*found[:3], hour, *found[4:])))
    except (ValueError, OverflowError):
        return None


def _sent(mail: Examined) -> int | None:
    """What Date says, or Resent-Date."""
    for name in ("Resent-Date", "Date"):
        if value := mail.headers.get(name):
            return _time(value.split(b"\n")[0])
    return None


@lru_cache(64)
def _received(lines: tuple[bytes, ...]) -> tuple[int, ...]:
    """The dates of Received lines, without those of a program that fetched the message and of what it handed it to."""
    values = [unfolded(raw) for raw in lines[:_LINES]]
    fetched = [at for at, line in enumerate(values) if b"(fetchmail" in line]
    dates = [line.rpartition(b";") for line in values[fetched[-1] + 1 if fetched else 0 :]]
    return tuple([found for _, semicolon, date in dates if semicolon and (found := _time(date)) is not None])


def check_for_shifted_date(mail: Examined, arguments: Sequence[str]) -> int:
    """Date lies so many hours after the nearest date of a Received line: between the first number and the second one. The first
    server has the very date of Date where who sent the message wrote that line too."""
    least, most = arguments
    sent, received = _sent(mail), _received(tuple(mail.headers.all("Received")))
    if received[-1:] == (sent,):
        received = received[:-1]
    if sent is None or not received:
        return 0
    hours = min((sent - one for one in received), key=abs) / _HOUR
    return int((least == "undef" or hours >= float(least)) and (most == "undef" or hours < float(most)))


def check_outlook_message_id(mail: Examined, _: Sequence[str]) -> int:
    """The time within a Message-Id of Outlook is neither that of Date nor that of the arrival."""
    match = _OUTLOOK_ID.match(mail.headers.get("Message-Id") or b"")
    if not match:
        return 0
    told = int(match[1], 16)
    times = [time for time in (_sent(mail), *_received(tuple(mail.headers.all("Received")))[:1]) if time is not None]
    return int(all(abs((time + _EPOCH) * _TICKS // 2**32 - told) >= _FUDGE for time in times))


EVALS: Final[dict[str, Eval]] = {function.__name__: function for function in (check_for_shifted_date, check_outlook_message_id)}
