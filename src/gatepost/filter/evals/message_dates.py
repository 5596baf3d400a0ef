"""Functions of HeaderEval about Date, beside the dates of Received lines."""

import re
from collections.abc import Sequence
from typing import Final

from gatepost.filter.evals.once import once
from gatepost.filter.headers.dates import seconds
from gatepost.filter.headers.values import unfolded
from gatepost.filter.port import Eval, Examined

_HOUR: Final = 3600
_OUTLOOK_ID: Final = re.compile(rb"<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@")
_TICKS: Final = 10_000_000
_EPOCH: Final = 11_644_473_600
"""FILETIME of Windows counts tenths of microseconds since 1601."""
_FUDGE: Final = 250
_LINES: Final = 100


@once
def _sent(mail: Examined) -> int | None:
    """What Date says, or Resent-Date."""
    for name in ("Resent-Date", "Date"):
        if value := mail.headers.get(name):
            return seconds(value.split(b"\n")[0])
    return None


@once
def received_dates(mail: Examined) -> tuple[int, ...]:
    """Dates of the Received lines, seconds since 1970, the latest hop first; without those of a program that fetched the message
    and of what it handed it to."""
    values = [unfolded(raw) for raw in mail.headers.all("Received")[:_LINES]]
    fetched = [at for at, line in enumerate(values) if b"(fetchmail" in line]
    dates = [line.rpartition(b";") for line in values[fetched[-1] + 1 if fetched else 0 :]]
    return tuple([found for _, semicolon, date in dates if semicolon and (found := seconds(date)) is not None])


@once
def _hours(mail: Examined) -> float | None:
    """How many hours Date lies after the nearest date of a Received line; None where there is none to tell. The first server has
    the very date of Date where who sent the message wrote that line too."""
    sent, received = _sent(mail), received_dates(mail)
    if received[-1:] == (sent,):
        received = received[:-1]
    if sent is None or not received:
        return None
    return min((sent - one for one in received), key=abs) / _HOUR


def check_for_shifted_date(mail: Examined, arguments: Sequence[str]) -> int:
    """Date lies so many hours after the arrival: from the first number to the second one."""
    least, most = arguments
    hours = _hours(mail)
    if hours is None:
        return 0
    return int((least == "undef" or hours >= float(least)) and (most == "undef" or hours < float(most)))


def check_outlook_message_id(mail: Examined, _: Sequence[str]) -> int:
    """The time within a Message-Id of Outlook is neither that of Date nor that of the arrival."""
    match = _OUTLOOK_ID.match(mail.headers.get("Message-Id") or b"")
    if not match:
        return 0
    told = int(match[1], 16)
    times = [time for time in (_sent(mail), *received_dates(mail)[:1]) if time is not None]
    return int(all(abs((time + _EPOCH) * _TICKS // 2**32 - told) >= _FUDGE for time in times))


EVALS: Final[dict[str, Eval]] = {function.__name__: function for function in (check_for_shifted_date, check_outlook_message_id)}
