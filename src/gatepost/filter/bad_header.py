"""What is wrong with a header section: what amavisd-new calls BAD HEADER SECTION (allowed in no message by RFC 5322 and 2045)."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from gatepost.mail.header import Header

_ONCE: Final = (
    "bcc", "cc", "date", "from", "in-reply-to", "message-id", "mime-version", "references", "reply-to", "sender", "subject", "to",
)  # fmt: skip
"""RFC 5322 §3.6, RFC 2045 §3: headers that a message has once at most."""

_LONGEST: Final = 998  # octets of a line, RFC 5322 §2.1.1
_CONTROL: Final = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK_LINE: Final = re.compile(rb"\r\n[ \t]+\r\n")
_LONG_LINE: Final = re.compile(rb"^[^\r\n]{%d}" % (_LONGEST + 1), re.MULTILINE)  # no line is begun twice


def bad_headers(headers: Sequence[Header]) -> tuple[str, ...]:
    """What is wrong, in amavis' words; each kind once."""
    found: dict[str, None] = {}
    for one in headers:
        found.update(dict.fromkeys(_wrong(one)))
    counts = Counter(one.key for one in headers)
    found.update(dict.fromkeys(f'Duplicate header field: "{name.title()}"' for name in _ONCE if counts[name] > 1))
    return tuple(found)


def _wrong(one: Header) -> list[str]:
    raw = one.raw
    checks = (
        ("Improper use of NUL character", b"\0" in raw),
        ("Improper use of control character", _CONTROL.search(raw) is not None),
        ("Non-encoded 8-bit data", not raw.isascii() and not _is_utf8(raw)),
        ("Improper folded header field made up entirely of whitespace", _BLANK_LINE.search(raw) is not None),
        ("Header line longer than 998 characters", len(raw) > _LONGEST and _LONG_LINE.search(raw) is not None),
    )
    return [words for words, wrong in checks if wrong]


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
