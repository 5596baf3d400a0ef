"""Functions of HeaderEval: what headers say, beyond a pattern."""

import re
from collections.abc import Sequence
from typing import Final

from gatepost.filter.evals import forged_received, message_dates, message_ids, recipients
from gatepost.filter.evals.locales import faraway
from gatepost.filter.port import Eval, Examined

_ILLEGAL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]")
_LEGAL_SUBJECT: Final = re.compile(rb"[\xa2\xa3\xa9\xae]")
"""Signs for cent, pound, copyright and registered trade mark, which subjects may have."""

_TEMPLATE: Final = re.compile(rb"%[A-Z][A-Z_-]")
_NO_TEMPLATE: Final = re.compile(
    rb"(?i)(?:x-uidl|x-face|to|cc|from|subject|references|in-reply-to|(?:x-|resent-|x-original-)?message-id):"
)
_MAILER_ID: Final = re.compile(rb"<[A-Z]{28}\.([^>]+)>")
_REPLY: Final = re.compile(rb"\A\s*(?:re|fwd?|aw|antwort|sv|vs|tr|rif|wg)\s*(?:\[\d+\])?\s*:\s*", re.IGNORECASE)
_MARKS: Final = frozenset((b",", b":", b";", b"!", b"?", b"-"))
_CHARSET: Final = re.compile(rb"=\?([\w.:+-]{1,64})\?[bq]\?", re.IGNORECASE)


def check_equal_from_domains(mail: Examined, _: Sequence[str]) -> int:
    """The domains of From and of the envelope sender are not the same."""
    header = mail.headers.get("From:addr:domain")
    envelope = mail.headers.get("EnvelopeFrom:addr:domain")
    if not header or not envelope:
        return 0
    return int(header.split(b"\n")[0].lower() != envelope.split(b"\n")[0].lower())


def check_for_matching_env_and_hdr_from(mail: Examined, _: Sequence[str]) -> int:
    """The envelope sender is the address in From."""
    envelope = mail.headers.get("EnvelopeFrom:addr") or b""
    return int(envelope.lower() == (mail.headers.get("From:addr") or b"").lower())


def check_header_count_range(mail: Examined, arguments: Sequence[str]) -> int:
    """How often a header stands there, the same value counted once, lies between two numbers."""
    name, least, most = arguments
    return int(int(least) <= len(set(mail.headers.all(name))) <= int(most))


def check_illegal_chars(mail: Examined, arguments: Sequence[str]) -> int:
    """More than some octets of a header, and more than a share, may not stand there as they are (RFC 2047)."""
    name, ratio, count = arguments
    text = mail.headers.get("ALL:raw" if name == "ALL" else f"{name}:raw") or b""
    if not text or _is_utf8(text):
        return 0
    illegal = len(_ILLEGAL.findall(text))
    if name == "Subject":
        illegal -= len(_LEGAL_SUBJECT.findall(text))
    return int(illegal / len(text) > float(ratio) and illegal > float(count))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not text.isascii()


def check_for_faraway_charset_in_headers(mail: Examined, _: Sequence[str]) -> int:
    """Subject or From are in the charset of a language that the administrator does not read (`ok_locales`)."""
    locales = mail.option("ok_locales")
    raw = (mail.headers.get("Subject:raw") or b"") + (mail.headers.get("From:raw") or b"")
    return int(any(faraway(charset.decode("ascii", "replace"), locales) for charset in _CHARSET.findall(raw)))


def check_unresolved_template(mail: Examined, _: Sequence[str]) -> int:
    """A header holds a variable of the program that should have filled it."""
    text = mail.headers.get("ALL") or b""
    if not _TEMPLATE.search(text):
        return 0
    lines = text.split(b"\n")
    return int(any(_TEMPLATE.search(line) and not _NO_TEMPLATE.match(line) for line in lines))


def check_ratware_name_id(mail: Examined, _: Sequence[str]) -> int:
    """Message-Id is 28 letters and the address in From, as a mass mailer writes it; so does an old Outlook."""
    match = _MAILER_ID.match(mail.headers.get("Message-Id") or b"")
    return int(match is not None and b"<%b>" % match[1] in (mail.headers.get("From:raw") or b""))


def check_ratware_envelope_from(mail: Examined, _: Sequence[str]) -> int:
    """The envelope sender holds the recipient in a way of mass mailers: `domain?user@`."""
    local, at, domain = (mail.headers.get("To:addr") or b"").lower().split(b"\n")[0].rpartition(b"@")
    if not at or not local or not domain:
        return 0
    head, found = (mail.headers.get("EnvelopeFrom") or b"").lower().partition(local + b"@")[:2]
    return int(bool(found) and head[:-1].endswith(domain) and not head[: -1 - len(domain)][-1:].isalnum())


def subject_is_all_caps(mail: Examined, _: Sequence[str]) -> int:
    """A Subject of some words has capitals only."""
    subject = (mail.headers.get("Subject") or b"").strip()
    subject = _REPLY.sub(b"", subject)
    if len(subject) < 10 or b" " not in subject.strip() or b"\n" in subject:
        return 0
    letters = re.sub(rb"[^a-zA-Z]", b"", subject)
    return int(bool(letters) and letters.isupper())


def check_for_to_in_subject(mail: Examined, arguments: Sequence[str]) -> int:
    """Subject addresses the recipient by the local part of his address, or (`address`) by all of it."""
    whole = "address" in arguments
    subject = (mail.headers.get("Subject") or b"").lstrip()
    for address in (mail.headers.get("To:addr") or b"").split(b"\n"):
        wanted = address if whole else address.partition(b"@")[0]
        behind = subject[len(wanted) :]
        if len(wanted) > 2 and subject.startswith(wanted) and behind[:1] in _MARKS and not behind[1:2].strip():
            return 1
    return 0


EVALS: Final[dict[str, Eval]] = {
    **{
        function.__name__: function
        for function in (
            check_equal_from_domains,
            check_for_matching_env_and_hdr_from,
            check_header_count_range,
            check_illegal_chars,
            check_for_faraway_charset_in_headers,
            check_unresolved_template,
            check_ratware_name_id,
            check_ratware_envelope_from,
            subject_is_all_caps,
            check_for_to_in_subject,
        )
    },
    **recipients.EVALS,
    **message_dates.EVALS,
    **message_ids.EVALS,
    **forged_received.EVALS,
}
