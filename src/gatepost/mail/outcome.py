"""Outcome: how anything that was asked of a mail system ended, as one value used everywhere."""

import enum

from msgspec import Struct

from gatepost.mail.reason import UNSAID, Reason


class Class(enum.IntEnum):
    """The three ways it can end; the first digit of a reply code and of an enhanced status code (RFC 3463 §2)."""

    OK = 2
    TEMPORARY = 4
    PERMANENT = 5


class Outcome(Struct, frozen=True, omit_defaults=True):
    """How it ended.

    - `cls`, `code`, `enhanced`: as in a reply line; `code` is 0 where nobody says one.
    - `text`: may be shown to anybody.
    - `why`: rule, table, key and reason; only for our own log.
    - `remote_mta`: the host that said it, for a delivery status report (RFC 3464 §2.3.5): `dns; mx.example`, empty where nobody
      else was asked.
    - `diagnostic`: its words there (§2.3.6): `smtp; 550 5.1.1 ...`.
    - `origin`: the class of error in the words of `notify_classes`, or who decided.
    """

    cls: Class
    enhanced: str
    text: str
    code: int = 0
    why: Reason = UNSAID
    remote_mta: str = ""
    diagnostic: str = ""
    origin: str = ""

    @property
    def ok(self) -> bool:
        return self.cls is Class.OK


def sent(text: str, enhanced: str = "2.0.0") -> Outcome:
    return Outcome(Class.OK, enhanced, text)


def deferred(text: str, enhanced: str = "4.3.0", why: Reason = UNSAID) -> Outcome:
    return Outcome(Class.TEMPORARY, enhanced, text, why=why)


def bounced(text: str, enhanced: str = "5.0.0", why: Reason = UNSAID) -> Outcome:
    return Outcome(Class.PERMANENT, enhanced, text, why=why)
