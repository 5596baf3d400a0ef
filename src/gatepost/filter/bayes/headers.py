"""The tokens of headers, as SpamAssassin 4 makes them: each begins with the name of its header, much used names in short.

What carries no lasting meaning (dates, queue ids, what filters and lists have added) is taken out first, so that it does not fill
the store, and mailing lists or other filters do not teach.

Source: as `words.py`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from gatepost.filter.bayes.words import Region, domains, words

# fmt: off
_IGNORED: Final = re.compile(
    # what mailers and mail stores add
    rb"(?:x-)?sender|delivered-to|delivery-date|(?:x-)?envelope-to|x-mime-autoconverted|x-converted-to-plain-text|subject|date"
    rb"|content-class|thread-(?:index|topic)|x-originalarrivaltime|(?:x-)?status|x-flags|x-keywords|replied|forwarded|lines"
    rb"|content-length|x-uidl?|x-imapbase|x-bugzilla-.+|xref|x-gnus-mail-source"
    rb"|x-vm-(?:bookmark|(?:pop|imap)-retrieved|labels|last-modified|summary-format|vheader|v\d-data|message-order)"
    # lists
    rb"|x-list|(?:x-)?mailing-list|x-unsub(?:scribe)?|x-mailman-version|x-beenthere|x-loop|mail-followup-to"
    rb"|(?:x-)?list-(?:archive|help|id|owner|post|subscribe|unsubscribe|host|manager|admin|comment|name|url)"
    rb"|x-egroups-(?:return|from)|x-mdmailing-list|x-xemacs-list|x-sympa-to|(?:x-)?(?:resent|original)-(?:from|to|date)"
    # other filters
    rb"|x-mailscanner(?:-spamcheck)?|x-spam(?:-(?:status|level|flag|report|hits|score|checker-version))?|x-antispam|x-rbl-warning"
    rb"|x-mdaemon-deliver-to|x-virus-scanned|x-mass-check-id|x-pyzor|x-dcc-\S{2,25}-metrics|x-filtered-by|x-scanned-by|x-scanner"
    rb"|x-ap-spam-(?:score|status)|x-ripe-spam-status|x-spamcop-.+|x-smtpd|(?:x-)?spam-apparently-to|spam|x-perlmx-spam"
    rb"|x-bogosity"
    # much text that says nothing
    rb"|x-face|x-(?:gnu-?pg|pgp|gpg)(?:-key)?-fingerprint|d(?:kim|omainkey)-signature|x-google-dkim-signature"
    rb"|arc-(?:message-signature|seal)|autocrypt", re.IGNORECASE)
_SHORT: Final = {
    b"Content-Disposition": b"*cd", b"Content-Transfer-Encoding": b"*ce", b"Content-Type": b"*ct", b"From": b"*F",
    b"In-Reply-To": b"*i", b"Message-ID": b"*M", b"Message-Id": b"*m", b"Organisation": b"*o", b"Organization": b"*o",
    b"Received": b"*r", b"References": b"*f", b"Reply-To": b"*R", b"Return-Path": b"*p", b"Return-path": b"*rp",
    b"User-Agent": b"*u", b"X-Authentication-Warning": b"*a", b"X-Mailer": b"*x", b"x-spam-relays-trusted": b"*RT",
    b"x-spam-relays-untrusted": b"*RU",
}  # fmt: skip
_TOGETHER: Final = {
    b"from": b"*Ad", b"to": b"*Ad", b"cc": b"*Ad", b"message-id": b"*MI", b"in-reply-to": b"*MI", b"references": b"*MI",
    b"user-agent": b"*UA", b"x-mailer": b"*UA",
}  # fmt: skip
"""Headers of one meaning, whose tokens are counted together as well."""
# fmt: on
_HOPS: Final = 2
"""Received headers that are read, from the first hop on."""

_RELAY_KEYS: Final = re.compile(rb"\b(?:ip|rdns|helo|by|ident|envfrom|intl|id|auth|msa)=")
_ADDRESS: Final = re.compile(rb"\b([^\s<>,;\"'()]{1,200})@([A-Za-z0-9._-]{1,255})")
_ITEM: Final = re.compile(rb'(?:"[^"]*"|[^,])+')
_NAME_WORD: Final = re.compile(rb"[^\s<>()\"]+")
_IP: Final = re.compile(rb"\b(\d{1,3}\.\d{1,3}\.\d{1,3})(\.\d{1,3})\b")
_DATE: Final = re.compile(
    rb"\s{0,9}(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),\s{1,9})?[0-3 ]?\d\s{1,9}(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    rb"\s{1,9}(?:\d\d){1,2}\s{1,9}\d\d:\d\d(?::\d\d)?(?:\s{1,9}\(?(?:[A-Z]{1,6}|[+-]\d{4})\)?){0,2}"
)
_QUEUE_ID: Final = re.compile(rb"\bid\s+[A-Za-z0-9]{7,20}\b")
_HOP_WORDS: Final = re.compile(rb"\b(?:with|from|for|SMTP|ESMTP)\b")
_OUTLOOK: Final = re.compile(rb"<?([0-9a-f]{4})[0-9a-f]{4}[0-9a-f]{4}\$([0-9a-f]{4})[0-9a-f]{4}\$([0-9a-f]{8})@")
_NO_ID: Final = re.compile(rb"[^A-Za-z0-9_]")
_BOUNDARY: Final = re.compile(rb"boundary\s*=\s*([\"'])([^\"']{0,1000})\1", re.IGNORECASE)
_TYPE_WORDS: Final = re.compile(rb"\b(?:text|charset)\b")
_RUN: Final = re.compile(rb"[A-Za-z0-9]+")
_HEX: Final = re.compile(rb"[a-fA-F0-9]")


def header_words(headers: list[tuple[bytes, bytes]], stop: re.Pattern[bytes], ignored: frozenset[bytes]) -> Iterator[bytes]:
    """The tokens of headers, given in order, decoded and unfolded. `ignored`: more names that are left out, in lower case."""
    texts: dict[bytes, bytes] = {}
    hops = [value for name, value in headers if name.lower() == b"received"][-_HOPS:]
    left_out = ignored | {b"received"}
    others = [(name, value) for name, value in headers if name.lower() not in left_out and not _IGNORED.fullmatch(name)]
    for name, value in [(b"Received", value) for value in hops] + others:
        told = _CHEWERS.get(name, _as_it_is)(value)
        texts[name] = texts[name] + b" " + told if name in texts else told
    for name, text in texts.items():
        prefix, together = _SHORT.get(name, name), _TOGETHER.get(name.lower())
        for word in words(text, Region.HEADER, stop):
            yield b"H" + prefix + b":" + word
            if together:
                yield b"H" + together + b":" + word


def _as_it_is(value: bytes) -> bytes:
    return value


def _nothing(value: bytes) -> bytes:
    return b""


def _received(value: bytes) -> bytes:
    value = _QUEUE_ID.sub(b" ", _DATE.sub(b"", value))
    return _IP.sub(rb"\1 ip*\1\2 ", _HOP_WORDS.sub(b" ", value))


def _relays(value: bytes) -> bytes:
    return _RELAY_KEYS.sub(b" ", value)


def _message_id(value: bytes) -> bytes:
    return _NO_ID.sub(b" ", _OUTLOOK.sub(rb" OEA\1 OEB\2 OEC\3 ", value))


def _content_type(value: bytes) -> bytes:
    """Types, and what a boundary looks like: each figure or letter of a hexadecimal number is an H."""
    shapes: list[bytes] = []

    def take(match: re.Match[bytes]) -> bytes:
        shapes.append(_RUN.sub(_run, match[2]))
        return b" "

    value = _BOUNDARY.sub(take, value)
    return b" ".join([_TYPE_WORDS.sub(b" ", value), *shapes]).replace(b"_", b" ")


def _run(match: re.Match[bytes]) -> bytes:
    return b" " + _HEX.sub(b"H", match[0]) + b" "


def _addresses(value: bytes) -> bytes:
    return b" ".join(told for item in _ITEM.findall(value) for told in _mailbox(item))


def _mailbox(item: bytes) -> list[bytes]:
    """An address in parts, and the words of its name."""
    if not (address := _ADDRESS.search(item)):
        return [] if b":" in item else [b"N*" + word for word in _NAME_WORD.findall(item)]
    name = item[: address.start()] + b" " + item[address.end() :]
    return [*(b"N*" + word for word in _NAME_WORD.findall(name)), b"U*" + address[1], *domains(b"D*", address[2])]


_CHEWERS: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"Received": _received,
    b"x-spam-relays-trusted": _relays,
    b"x-spam-relays-untrusted": _relays,
    b"x-spam-relays-internal": _relays,
    b"x-spam-relays-external": _relays,
    b"Message-Id": _message_id,
    b"Message-ID": _message_id,
    b"Resent-Message-ID": _message_id,
    b"Content-Type": _content_type,
    b"MIME-Version": _nothing,
    b"From": _addresses,
    b"To": _addresses,
    b"Cc": _addresses,
    b"CC": _addresses,
    b"Reply-To": _addresses,
    b"Return-Path": _addresses,
    b"Errors-To": _addresses,
    b"Resent-Sender": _addresses,
}
"""What is taken out of a header, or how it is put, by its name."""
