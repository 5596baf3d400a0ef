"""Functions of the plugin BodyEval: shape and amount of the text."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.evals.once import once
from gatepost.filter.port import Eval, Examined, Part

_INVITATION: Final = ["multipart/alternative", "text/html", "text/calendar"]
"""How a meeting is proposed by programs that put no text beside the HTML."""
_WORD: Final = re.compile(rb"\w")
_SIGNATURE: Final = re.compile(rb"^-- ?\r?$", re.MULTILINE)
_LEAST_SIGNATURE: Final = 5
"""Octets of a signature; behind the mark of a shorter one somebody only ended the text."""
_LABEL: Final = range(3, 31)
"""Octets of what stands before a colon and may be a label."""
_STOCK: Final = re.compile(
    rb"(?:company|symbol|ticker|stock|(?:current|opening|target|projected)?\s?price|(?:short|long|\d{1,2}.?day)?.{0,6}target"
    rb"|week.{0,8}high|recommendation|rating|trad(?:e|ing) date|sector|expectations?)\Z",
    re.IGNORECASE,
)


class Alternative(Struct):
    """The same said in HTML and in other text: the words of each with how often they stand there, and whether the HTML shows
    images."""

    html: Counter[bytes]
    text: Counter[bytes]
    images: bool = False

    @property
    def size(self) -> int:
        """Different words of the HTML. Images without any word are as one, which no text has."""
        return len(self.html) or int(self.images)

    @property
    def missing(self) -> float:
        """Percent of them that the text has not, or less often."""
        if not self.html:
            return 100.0 if self.images else 0.0
        return 100 * sum(self.text[word] < count for word, count in self.html.items()) / len(self.html)


def multipart_alternative_difference(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether, of the words of HTML, more than so many percent and at most so many are missing in the text beside it."""
    percent = max((one.missing for one in _alternatives(examined)), default=0.0)
    low, high = arguments
    return int((float(low) == 0 or percent > float(low)) and (high == "undef" or percent <= float(high)))


def multipart_alternative_difference_count(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the text has more than so many times the words of the HTML beside it, which has more than a number of them; the last
    text that has HTML beside it."""
    ratio, least = map(float, arguments)
    last = next(reversed(_alternatives(examined)), None)
    return int(last is not None and last.size > least and len(last.text) / last.size > ratio)


@once
def _alternatives(examined: Examined) -> list[Alternative]:
    """Those that have HTML which says something, in the order in which they begin."""
    if [part.type for part in examined.parts] == _INVITATION:
        return []
    found = {part.path: Alternative(Counter(), Counter()) for part in examined.parts if part.type == "multipart/alternative"}
    for part in examined.parts if found else ():
        rendered = examined.text.rendered.get(part.path)
        if rendered is None:
            continue
        words = Counter(word for word in rendered.split() if _WORD.search(word))
        for above in (found[path] for end in range(len(part.path) + 1) if (path := part.path[:end]) in found):
            if part.type == "text/html":
                above.html.update(words)
                above.images |= not words and b"<img" in part.content.lower()
            else:
                above.text.update(words)
    return [one for one in found.values() if one.size]


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
    """Whether the line with most blanks has so many percent of blanks, counted on what is not blank: at least, and less than, where
    that is not 100."""
    low, high = map(float, arguments)
    most = _most_blanks(examined)
    return int(low <= most and (most < high or high >= 100))


@once
def _most_blanks(examined: Examined) -> int:
    return max((_blanks(line) for line in examined.text.body if len(line) > 5), default=-1)


def _blanks(line: bytes) -> int:
    blanks = line.count(b" ")
    return min(100, 100 * blanks // max(1, len(line) - blanks))


def check_stock_info(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the first plain text has at least so many different labels that stock tips have."""
    plain = next(_plain(examined), None)
    text = examined.text.rendered.get(plain.path, b"") if plain else b""
    return int(len({label.lower() for label in _labels(text) if _STOCK.search(label)}) >= int(arguments[0]))


def _labels(text: bytes) -> Iterator[bytes]:
    """What stands before the first colon of lines that go on behind it."""
    for line in text.split(b"\n"):
        label, _, said = line.partition(b":")
        label = label.strip()
        if said.strip() and len(label) in _LABEL:
            yield label


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
    size = len(part.content)
    marks = [mark.span() for mark in _SIGNATURE.finditer(part.content) if size - mark.end() >= _LEAST_SIGNATURE]
    begin, end = marks[-1] if marks else (size, size)
    return begin, size - end


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
