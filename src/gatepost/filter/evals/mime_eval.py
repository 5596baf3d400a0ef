"""Functions of the plugin MIMEEval: encodings, charsets and structure of parts (perldoc Mail::SpamAssassin::Plugin::MIMEEval)."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gatepost.filter.evals.locales import faraway
from gatepost.filter.evals.once import once
from gatepost.filter.evals.structure import flags
from gatepost.filter.port import Eval, Examined, Part

_PARTS_LIMIT: Final = 1000
_QP_LONG: Final = 79
"""Octets of a line of quoted-printable that is called long."""
_ALTERNATIVES: Final = ("text/", "multipart/")
_ALSO_ALTERNATIVES: Final = frozenset(("message/rfc822", "message/global", "application/rtf"))
_ASCII: Final = frozenset(("", "us-ascii"))
_NO_ASCII: Final = re.compile(rb"[\x00\x80-\xff]|\r(?!\n)")
_BAD_ISO: Final = re.compile(r"iso-(?!8859-\d{1,2}\b|2022-(?:jp|kr)\b)[^\s-]+-\S")
_NEEDLESS_CODE: Final = re.compile(
    rb"=(?:2[1-9A-Fa-f]|3[0-9A-Ca-cEeFf]|[4-6][0-9A-Fa-f]|7[0-9A-Ea-e]|(?:20|09)(?!(?:=20|=09){0,76}(?:\n|\Z)))"
)
"""Of a character that could stand for itself: blanks at the end of a line could not."""
_ENTITY: Final = re.compile(rb"&#(?:\d{3,7}|x[0-9A-Fa-f]{2,6});")
_ENCODED: Final = re.compile(rb"(?:[A-Za-z0-9+/=]{60,76} ){2}")
"""How a line begins that was base64 before lines were joined."""
_CAPITALS: Final = bytes(range(ord("A"), ord("Z") + 1))
_COUNTED: Final = _CAPITALS + _CAPITALS.lower() + b"0123456789"
_SHORTEST_TEXT: Final = 200
_OTHER_SCRIPT: Final = re.compile(r"koi8|(?:windows-|cp)1251|gb|big5|euc|hz|iso-2022-jp|s(?:hift_)?jis|tis")
"""How names of charsets begin of scripts whose octets look like capitals."""
_FOREIGN: Final = re.compile(rb"[\x1b\x80-\xff]")


def _leaves(examined: Examined) -> Iterator[Part]:
    return (part for part in examined.parts if not part.composite)


def _texts(examined: Examined) -> Iterator[Part]:
    return (part for part in _leaves(examined) if part.type.startswith("text/"))


def _of_html(part: Part) -> bool:
    return part.type == "text/html"


@once
def _facts(examined: Examined) -> dict[str, int]:
    """The words of `check_for_mime`."""
    leaves, texts = list(_leaves(examined)), list(_texts(examined))
    locales = examined.option("ok_locales")
    html = sum(map(_of_html, texts))
    return {
        "mime_base64_count": sum(part.encoding == "base64" for part in leaves),
        "mime_base64_encoded_text": sum(_disguised(part) for part in texts),
        "mime_qp_count": sum(bool(_NEEDLESS_CODE.search(part.raw)) for part in _quoted(leaves)),
        "mime_qp_long_line": sum(_longest_line(part.raw) >= _QP_LONG for part in _quoted(leaves)),
        "mime_attachment": sum(part.disposition == "attachment" for part in leaves),
        "mime_body_html_count": html,
        "mime_body_text_count": len(texts) - html,
        "mime_faraway_charset": sum(bool(part.charset) and faraway(part.charset, locales) for part in texts),
        "mime_bad_iso_charset": sum(bool(_BAD_ISO.match(part.charset)) for part in texts),
        "mime_ascii_text_illegal": sum(_illegal(part) for part in texts),
        "mime_multipart_alternative": sum(part.type == "multipart/alternative" for part in examined.parts),
        "mime_missing_boundary": int("missing_boundary" in flags(examined)),
        "mimepart_limit_exceeded": int(len(examined.parts) >= _PARTS_LIMIT),
    }


def _disguised(part: Part) -> bool:
    """Whether plain text hides in an encoding that it does not need."""
    return part.encoding == "base64" and part.charset in _ASCII and not part.disposition


def _illegal(part: Part) -> bool:
    """Whether it says to be ASCII and is not."""
    return not _of_html(part) and part.charset in _ASCII and part.encoding != "base64" and bool(_NO_ASCII.search(part.raw))


def _quoted(parts: Sequence[Part]) -> Iterator[Part]:
    return (part for part in parts if part.encoding == "quoted-printable")


def _longest_line(text: bytes) -> int:
    return max(map(len, text.split(b"\n")))


def check_for_mime(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether there is any of what a word names."""
    return int(_facts(examined).get(arguments[0], 0) > 0)


def check_for_mime_html(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether there is HTML."""
    return int(_facts(examined)["mime_body_html_count"] > 0)


def check_for_mime_html_only(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether all text is HTML."""
    facts = _facts(examined)
    return int(facts["mime_body_html_count"] > 0 and not facts["mime_body_text_count"])


def check_for_ascii_text_illegal(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a part says to be ASCII text and is not."""
    return int(_facts(examined)["mime_ascii_text_illegal"] > 0)


def check_msg_parse_flags(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether this is wrong with the structure."""
    return int(arguments[0] in flags(examined))


def check_mime_multipart_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether, where there are alternatives, plain text is at least so many times as long as HTML, and less than so many times; 1
    where there are not both. The last of each counts, as encoded."""
    low, high = map(float, arguments)
    return int(low <= _alternatives_ratio(examined) < high)


@once
def _alternatives_ratio(examined: Examined) -> float:
    plain = html = 0
    alternatives = other = False
    for part in examined.parts:
        alternatives |= part.type == "multipart/alternative"
        if part.type.startswith("text/"):
            if _of_html(part):
                html = len(part.raw) if alternatives else 0
            else:
                other, plain = True, len(part.raw) if alternatives else 0
    return plain / html if html and other else 1.0


def check_ma_non_text(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether among alternatives there is one that cannot be read."""
    kinds = {part.path: part.type for part in examined.parts}
    return int(
        any(
            kinds.get(path[:-1]) == "multipart/alternative"
            and not kind.startswith(_ALTERNATIVES)
            and kind not in _ALSO_ALTERNATIVES
            for path, kind in kinds.items()
            if path
        )
    )


def check_base64_length(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the longest line of base64 has so many octets with its end: at least, at most."""
    longest = max((_longest_line(part.raw) + 1 for part in _leaves(examined) if part.encoding == "base64"), default=0)
    return int(bool(longest) and int(arguments[0]) <= longest and (len(arguments) < 2 or longest <= int(arguments[1])))


def check_qp_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether there are at least so many codes for an octet of quoted-printable."""
    quoted = [part.raw for part in _quoted(list(_leaves(examined)))]
    total = sum(map(len, quoted))
    return int(bool(total) and sum(len(_NEEDLESS_CODE.findall(raw)) for raw in quoted) / total >= float(arguments[0]))


def check_abundant_unicode_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether plain text that is not encoded has at least so many HTML codes of characters for an octet."""
    least = float(arguments[0])
    for part in _texts(examined):
        plain = part.type == "text/plain" and part.encoding in ("", "7bit", "8bit") and not part.charset.startswith("utf")
        if plain and part.raw and len(_ENTITY.findall(part.raw)) / len(part.raw) >= least:
            return 1
    return 0


def check_for_faraway_charset(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether all text is in charsets of languages that nobody here reads, and looks so."""
    charsets = [part.charset for part in _texts(examined)]
    locales = examined.option("ok_locales")
    if not charsets or not all(charset and faraway(charset, locales) for charset in charsets):
        return 0
    text = b"".join(examined.text.body[1:])
    return int(4 * len(_FOREIGN.findall(text)) > len(text))


def check_for_uppercase(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether, in text that is not too short, capitals are more than so many percent of letters and digits, and at most so many."""
    low, high = map(float, arguments)
    return int(low < _capitals(examined) <= high)


@once
def _capitals(examined: Examined) -> float:
    if any(_OTHER_SCRIPT.match(part.charset) for part in _texts(examined)):
        return 0.0
    text = b"".join(line for line in examined.text.body if len(line.split(None, 2)) > 1 and not _ENCODED.match(line))
    counted = _count(text, _COUNTED) if len(text) >= _SHORTEST_TEXT else 0
    return 100 * _count(text, _CAPITALS) / counted if counted else 0.0


def _count(text: bytes, octets: bytes) -> int:
    """How many of a text are among `octets`."""
    return len(text) - len(text.translate(None, octets))


_FUNCTIONS: Final[tuple[Callable[[Examined, Sequence[str]], int], ...]] = (
    check_abundant_unicode_ratio,
    check_base64_length,
    check_for_ascii_text_illegal,
    check_for_faraway_charset,
    check_for_mime,
    check_for_mime_html,
    check_for_mime_html_only,
    check_for_uppercase,
    check_ma_non_text,
    check_mime_multipart_ratio,
    check_msg_parse_flags,
    check_qp_ratio,
)

EVALS: dict[str, Eval] = {function.__name__: function for function in _FUNCTIONS}
