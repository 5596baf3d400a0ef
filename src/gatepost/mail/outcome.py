"""Outcome: how anything that was asked of a mail system ended, as one value used everywhere."""

import enum

from msgspec import Struct


class Class(enum.IntEnum):
    """The three ways it can end; the first digit of a reply code and of an enhanced status code (RFC 3463 §2)."""

    OK = 2
    TEMPORARY = 4
    PERMANENT = 5


class Outcome(Struct, frozen=True):
    """`code` and `enhanced` as in a reply line; `text` may be shown to anybody, `reason` only in our own log.

    `remote_mta` and `diagnostic` are what a delivery status report quotes (RFC 3464 §2.3): the host that said it
    (`dns; mx.example`, empty where nobody else was asked) and its words (`smtp; 550 5.1.1 ...`).
    """

    cls: Class
    enhanced: str
    text: str
    code: int = 0
    reason: str = ""
    remote_mta: str = ""
    diagnostic: str = ""
    origin: str = ""

    @property
    def ok(self) -> bool:
        return self.cls is Class.OK


def sent(text: str, enhanced: str = "2.0.0") -> Outcome:
    return Outcome(Class.OK, enhanced, text)


def deferred(text: str, enhanced: str = "4.3.0", reason: str = "") -> Outcome:
    return Outcome(Class.TEMPORARY, enhanced, text, reason=reason)


def bounced(text: str, enhanced: str = "5.0.0", reason: str = "") -> Outcome:
    return Outcome(Class.PERMANENT, enhanced, text, reason=reason)
