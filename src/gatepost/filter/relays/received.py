"""One Received line as a hop. RFC 5321 §4.4 says what it tells; how, each mail server decides for itself.

What a client said (HELO, ident, envelope sender) stands in these lines too, and a line further down may be of its making
altogether. So nothing here believes a line: `relays.py` decides how far they are believed.
"""

import re
from enum import Enum
from typing import Final

from gatepost.filter.port import Relay
from gatepost.filter.relays.forms import ADDRESS, FETCHED, FORMS, SILENT_FIRST, SILENT_LAST


class Untold(Enum):
    """Lines that give no hop. SILENT: it tells of none. FETCHED: a program fetched the message from another server, and tells of
    that server. UNPARSED: it should tell of a hop."""

    SILENT = "silent"
    FETCHED = "fetched"
    UNPARSED = "unparsed"


LIMIT: Final = 1024
"""Octets of a line that are looked at."""

_FROM: Final = re.compile(r"[Ff][Rr][Oo][Mm] ")
_SENT: Final = re.compile(r"\(from (?!\S+@localhost\))[^)]*@")
"""How sendmail tells of a user who sent a message from its own machine; of another machine it would tell otherwise."""

_BY: Final = re.compile(r"(?<=[ )])by ([^\s;]+)")
_ID: Final = re.compile(r" id <?([^\s<>;]{3,})")
_SENDER: Final = re.compile(r"envelope-(?:from|sender) ?=?<?([^\s]*?)>?(?=[\s)]|\Z)")
_SPECIAL: Final = re.compile(r"[\[\]\s<>()#|\0]")

_NAMELESS: Final = frozenset(("unknown", "softdnserr"))
_MUTE: Final = re.compile(r"SMTPSVC|SMTPD32|\A\S+ \[?\d[^ ]* \(HELO")
"""Servers that never tell of a client's name."""

_PROTOCOL: Final = re.compile(r" with ((?:e?smtps?|utf8smtps?)a|asmtp|https?)(?=[\s;]|\Z)", re.IGNORECASE)
_AUTHENTICATED: Final = (
    (re.compile(r"\(AUTH: (\S+)"), None),
    (re.compile(r" by mx\.google\.com .*\(version=(\S+ cipher=\S+)\)"), "GMail - transport="),
    (re.compile(r"\(Authenticated sender:"), "Postfix"),
    (re.compile(r"\(authenticated as.* id "), "CriticalPath"),
    (re.compile(r"\(authenticated.* by "), "Sendmail"),
    (re.compile(r"\(account \S+ HELO "), "Communigate"),
    (re.compile(r" \((?:HE|EH)LO .* by mail\.gmx\.net "), "GMX (SMTP / mail.gmx.net)"),
)
"""Marks of a log-in where the protocol names none, and how they are called; None: by what the mark says itself."""
_MARKED: Final = re.compile("|".join((r"\(AUTH", r"\([Aa]uthenticated", r"\(account ", r"cipher=", r"mail\.gmx\.net")))


def unfolded(raw: bytes) -> str:
    """The beginning of a line as `hop` wants it: on one line, white space made one blank, octets as Latin-1."""
    return b" ".join(raw[:LIMIT].split()).decode("latin-1")


def hop(line: str) -> Relay | Untold:
    """The hop that a Received line tells of (`unfolded`)."""
    if not _FROM.match(line) or SILENT_FIRST.match(line, 5):
        return Untold.UNPARSED if _SENT.match(line) else Untold.SILENT
    if FETCHED.match(line, 5):
        return Untold.FETCHED
    match = next((match for form in FORMS if (match := form.match(line, 5))), None)
    by = _BY.search(line, match.end()) if match else None
    if match is None or by is None:
        return Untold.SILENT if SILENT_LAST.match(line, 5) else Untold.UNPARSED
    told = match.groupdict(default="")
    host = told.get("host", "")
    rdns = told.get("rdns", host)
    helo = told.get("helo", host)
    versioned = line.startswith(" (", by.end())
    found = _ID.search(line, by.end()) if " with mapi id" not in line else None
    sender = _SENDER.search(line)
    rdns = "" if rdns.lower() in _NAMELESS else cleaned(rdns).rstrip(".")
    return Relay(
        ip=told["ip"],
        rdns=rdns,
        helo=cleaned(helo),
        by=cleaned(by[1] if versioned else by[1].rstrip(".")),
        ident=cleaned(told.get("ident", "")),
        envfrom=cleaned(sender[1]) if sender else "",
        id=found[1] if found else "",
        auth=_login(line, by.end()),
        nameless=not rdns and not _MUTE.search(line),
    )


def named_address(text: str) -> str:
    """The first address that `text` names; empty where it names none."""
    match = ADDRESS.search(text)
    return match["ip"] if match else ""


def cleaned(text: str) -> str:
    """`text` without what would change the meaning of X-Spam-Relays-*, in which a hop is between brackets."""
    return _SPECIAL.sub("!", text)


def _login(line: str, server: int) -> str:
    """How the client logged in, empty where it did not. `server`: where what the server says of itself begins."""
    if protocol := _PROTOCOL.search(line, server):
        return protocol[1]
    if _MARKED.search(line):
        for pattern, name in _AUTHENTICATED:
            if match := pattern.search(line):
                return (name or "") + (match[1] if match.re.groups else "")
    return ""
