"""Functions of HeaderEval: senders of large providers, and Received lines that these would not have written."""

import re
from collections.abc import Sequence
from typing import Final

from gatepost.filter.evals.once import once
from gatepost.filter.headers.values import unfolded
from gatepost.filter.port import Eval, Examined

_LINES: Final = 100
_PICKUP: Final = re.compile(rb"mail pickup service by \S*hotmail\.com")
_HOTMAIL_SAID: Final = re.compile(rb"\Afrom (?:\S*\bhotmail\.com \(|\S+ \((?:HELO|EHLO) \S*\bhotmail\.com\)|\S*\bhotmail\.com \[)")
_HOTMAIL_NAMED: Final = re.compile(rb"\Afrom \S+ \([^)]*\b(?:hotmail|outlook|msn)\.com")
_YAHOO: Final = re.compile(rb" by \S+\.yahoo\.(?:com|co\.\w\w)\b(?! \()|\Afrom \S+ \([^)]*\.yahoo\.(?:com|co\.\w\w) ")
_GMAIL: Final = re.compile(rb"\bmail-[\w-]+\.google\.com\b")
_AOL: Final = re.compile(rb" by rly-[a-z]{2}\d\d\.\S+ with (?!ESMTP\b)")
_EUDORAMAIL: Final = re.compile(rb" by \S*whowhere\.com\b")
_JUNO: Final = re.compile(rb" by \S+\.(?:juno|untd)\.com\b|\Afrom \S+ \([^)]*\.(?:juno|untd)\.com ")
_EZMLM: Final = re.compile(rb"contact \S+-help@\S+; run by ezmlm\s*\Z")
_QMAIL: Final = re.compile(rb"\A\(qmail \d+ invoked [^)]*\); \d")


@once
def _received(mail: Examined) -> list[bytes]:
    return [unfolded(raw) for raw in mail.headers.all("Received")[:_LINES]]


def _any(pattern: re.Pattern[bytes], lines: Sequence[bytes]) -> bool:
    return any(pattern.search(line) for line in lines)


def _is_from(mail: Examined, *domains: bytes) -> bool:
    address = (mail.headers.get("From:addr") or b"").lower().split(b"\n")[0]
    return address.rpartition(b"@")[2] in domains


def gated_through_received_hdr_remover(mail: Examined, _: Sequence[str]) -> int:
    """The message came by a list that drops Received lines: ezmlm does."""
    manager = mail.headers.get("Mailing-List") or b""
    lines = _received(mail)
    if _EZMLM.match(manager) and _any(_QMAIL, lines):
        return 1
    return int(not lines)


def _hotmail_said(mail: Examined) -> bool:
    lines = _received(mail)
    if _any(_PICKUP, lines) or mail.headers.get("X-Originating-IP") is not None:
        return False
    return any(_HOTMAIL_SAID.match(line) and not _HOTMAIL_NAMED.match(line) for line in lines)


def check_for_forged_hotmail_received_headers(mail: Examined, _: Sequence[str]) -> int:
    """A host said that it is of Hotmail, and is not."""
    return int(not gated_through_received_hdr_remover(mail, ()) and _hotmail_said(mail))


def check_for_no_hotmail_received_headers(mail: Examined, _: Sequence[str]) -> int:
    """From is of Hotmail, and no host of it was passed."""
    if not _is_from(mail, b"hotmail.com") or gated_through_received_hdr_remover(mail, ()):
        return 0
    lines = _received(mail)
    passed = any(b"hotmail.com" in line or b".outbound.protection.outlook.com" in line for line in lines)
    grouped = mail.headers.get("X-Originating-IP") is not None and any(b".yahoo.com with" in line for line in lines)
    return int(not passed and not grouped)


def check_for_forged_yahoo_received_headers(mail: Examined, _: Sequence[str]) -> int:
    """From is of Yahoo, and no host of it was passed."""
    if not _is_from(mail, b"yahoo.com") or gated_through_received_hdr_remover(mail, ()):
        return 0
    return int(not _any(_YAHOO, _received(mail)))


def check_for_forged_gmail_received_headers(mail: Examined, _: Sequence[str]) -> int:
    """From is of Gmail, and no host of it was passed."""
    if not _is_from(mail, b"gmail.com") or mail.headers.get("X-Google-Smtp-Source") is not None:
        return 0
    return int(not _any(_GMAIL, _received(mail)))


def check_for_forged_eudoramail_received_headers(mail: Examined, _: Sequence[str]) -> int:
    """From is of Eudoramail, and its servers were not passed."""
    return int(_is_from(mail, b"eudoramail.com") and not _any(_EUDORAMAIL, _received(mail)))


def check_for_forged_juno_received_headers(mail: Examined, _: Sequence[str]) -> int:
    """From is of Juno, and no host of it was passed."""
    if not _is_from(mail, b"juno.com") or gated_through_received_hdr_remover(mail, ()):
        return 0
    return int(not _any(_JUNO, _received(mail)) and b"Juno" not in (mail.headers.get("X-Mailer") or b""))


def check_for_fake_aol_relay_in_rcvd(mail: Examined, _: Sequence[str]) -> int:
    """A line is told by a relay of AOL in a way in which these never write."""
    return int(_any(_AOL, _received(mail)))


EVALS: Final[dict[str, Eval]] = {
    function.__name__: function
    for function in (
        gated_through_received_hdr_remover,
        check_for_forged_hotmail_received_headers,
        check_for_no_hotmail_received_headers,
        check_for_forged_yahoo_received_headers,
        check_for_forged_gmail_received_headers,
        check_for_forged_eudoramail_received_headers,
        check_for_forged_juno_received_headers,
        check_for_fake_aol_relay_in_rcvd,
    )
}
