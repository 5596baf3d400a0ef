"""Functions of the plugin BodyEval: shape and amount of the text."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from gatepost.filter.evals.once import once
from gatepost.filter.port import Eval, Examined, Part

_INVITATION: Final = ["multipart/alternative", "text/html", "text/calendar"]
"""How a meeting is proposed by programs that put no text beside the HTML."""
_WORD: Final = re.compile(rb"\w")
_IMAGE_MARK: Final = b"\n"
"""Stands for a word where HTML has images and no words; none is like it."""
_SIGNATURE: Final = re.compile(rb"^-- ?\r?$", re.MULTILINE)
_LABEL: Final = re.compile(rb"^[ \t]{0,20}([A-Za-z][^:\n]{1,28}?)[ \t]{0,20}:[ \t]{0,20}\S", re.MULTILINE)
_STOCK: Final = re.compile(
    rb"(?:company|symbol|ticker|stock|(?:current|opening|target|projected)?\s?price|(?:short|long|\d{1,2}.?day)?.{0,6}target"
    rb"|week.{0,8}high|recommendation|rating|trad(?:e|ing) date|sector|expectations?)\Z",
    re.IGNORECASE,
)


def multipart_alternative_difference(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether, of the words of HTML, more than so many percent and at most so many are missing in the text beside it."""
    percent = _alternatives(examined)[0]
    low, high = arguments
    return int((float(low) == 0 or percent > float(low)) and (high == "undef" or percent <= float(high)))


def multipart_alternative_difference_count(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the text has more than so many times the words of the HTML beside it, which has more than a number of them."""
    _, html, plain = _alternatives(examined)
    ratio, least = map(float, arguments)
    return int(html > least and plain / html > ratio)


@once
def _alternatives(examined: Examined) -> tuple[float, int, int]:
    """The largest percentage of words that the text lacks; how many different words the last HTML has, and the text beside it."""
    most, of_html, of_text = 0.0, 0, 0
    if [part.type for part in examined.parts] == _INVITATION:
        return most, of_html, of_text
    for html, text in _words(examined).values():
        if html:
            of_html, of_text = len(html), len(text)
            missing = sum(text[word] < count for word, count in html.items())
            most = max(most, 100 * missing / of_html)
    return most, of_html, of_text


def _words(examined: Examined) -> dict[tuple[int, ...], tuple[Counter[bytes], Counter[bytes]]]:
    """By the path of what has alternatives: the words of its HTML, and those of its other text, with how often they stand there."""
    found: dict[tuple[int, ...], tuple[Counter[bytes], Counter[bytes]]] = {
        part.path: (Counter(), Counter()) for part in examined.parts if part.type == "multipart/alternative"
    }
    for part in examined.parts if found else ():
        rendered = examined.text.rendered.get(part.path)
        if rendered is None:
            continue
        of_html = part.type == "text/html"
        words = Counter(word for word in rendered.split() if _WORD.search(word))
        if of_html and not words and b"<img" in part.content.lower():
            words[_IMAGE_MARK] = 1
        for above in (part.path[:level] for level in range(len(part.path) + 1)):
            if above in found:
                found[above][0 if of_html else 1].update(words)
    return found


def check_blank_line_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether more than so many percent of the lines and at most so many are blank, where there are at least so many lines."""
    low, high = map(float, arguments[:2])
    least = max(1, int(arguments[2])) if len(arguments) > 2 else 1
    lines = [line for chunk in examined.text.raw_body for line in chunk.split(b"\n")]
    if len(lines) < least:
        return int(low == 0)
    percent = 100 * sum(not line.strip() for line in lines) / len(lines)
    return int((low == 0 or percent > low) and percent <= high)


def tvd_vertical_words(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the line with most blanks has so many percent of blanks, counted on what is not blank: at least, less than."""
    low, high = map(float, arguments)
    return int(low <= _most_blanks(examined) < (101 if high >= 100 else high))


@once
def _most_blanks(examined: Examined) -> int:
    return max((_blanks(line) for line in examined.text.body if len(line) > 5), default=-1)


def _blanks(line: bytes) -> int:
    blanks = line.count(b" ")
    rest = len(line) - blanks
    return 100 if blanks > rest else 100 * blanks // rest


def check_stock_info(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the first plain text has at least so many different labels that stock tips have."""
    plain = next(_plain(examined), None)
    text = examined.text.rendered.get(plain.path, b"") if plain else b""
    labels = {found.group(1).lower() for found in _LABEL.finditer(text) if _STOCK.search(found.group(1))}
    return int(len(labels) >= int(arguments[0]))


def check_body_length(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the body, as it came, has at most so many octets."""
    _, separator, body = examined.octets.partition(b"\n\n")
    return int(bool(separator) and len(body) <= int(arguments[0]))


def _plain(examined: Examined) -> Iterator[Part]:
    return (part for part in examined.parts if part.type == "text/plain" and not part.composite)


@once
def _signed(examined: Examined) -> tuple[int, int]:
    """Octets of the first plain text before its signature, and of that; (-1, -1) where there is no plain text."""
    part = next(_plain(examined), None)
    if part is None:
        return -1, -1
    text = part.content
    before, signature = len(text), 0
    for found in _SIGNATURE.finditer(text):
        if len(text) - found.end() > 4:
            before, signature = found.start(), len(text) - found.end()
    return before, signature


def _within(value: float, arguments: Sequence[str]) -> int:
    return int(value >= float(arguments[0]) and (len(arguments) < 2 or value <= float(arguments[1])))


def plaintext_body_length(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the plain text before its signature has so many octets: at least, at most."""
    before, _ = _signed(examined)
    return before >= 0 and _within(before, arguments)


def plaintext_sig_length(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the signature has so many octets: at least, at most."""
    before, signature = _signed(examined)
    return before >= 0 and _within(signature, arguments)


def plaintext_body_sig_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the plain text is so many times as long as its signature: at least, at most. A million times where there is none."""
    before, signature = _signed(examined)
    return before >= 0 and _within(before / signature if signature else 1e6, arguments)


EVALS: dict[str, Eval] = {
    function.__name__: function
    for function in (
        check_blank_line_ratio,
        check_body_length,
        check_stock_info,
        multipart_alternative_difference,
        multipart_alternative_difference_count,
        plaintext_body_length,
        plaintext_body_sig_ratio,
        plaintext_sig_length,
        tvd_vertical_words,
    )
}
