"""Functions of the plugin HTMLEval, over the facts of the rendering (Text.html).

A fact is a number (`length`, `ratio`, `max_size` ...), a mark that is there or not (`html`, `embeds` ...), a list of texts
(`title`, `anchor`, `comment` ...), or `inside`: how many elements of a name were left open.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gatepost.filter.evals.locales import faraway
from gatepost.filter.port import Eval, Examined

_COMPARED: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def html_test(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a mark is there."""
    return int(bool(examined.text.html.get(arguments[0])))


def html_range(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a number is above the second argument, and at most the third; `inf` for no limit."""
    name, low, high = arguments
    value = _number(examined, name)
    return int(value is not None and float(low) < value <= float(high))


def html_eval(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a number compares so: `< 512`."""
    return int(_holds(_number(examined, arguments[0]), arguments[1]))


def html_image_only(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether there is an image and HTML of a length above the first argument, and at most the second."""
    length = _number(examined, "length")
    low, high = map(float, arguments)
    return int("img" in _inside(examined) and length is not None and low < length <= high)


def html_image_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether octets of text for a pixel of images are more than the first argument, and at most the second."""
    area, length = _number(examined, "image_area"), _number(examined, "non_space_len")
    low, high = map(float, arguments)
    return int(bool(area) and length is not None and low < length / (area or 1) <= high)


def html_tag_exists(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether there is an element of a name."""
    return int(arguments[0].lower() in _inside(examined))


def html_tag_balance(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the number of elements of a name that are left open compares so: `!= 0`."""
    return int(_holds(_inside(examined).get(arguments[0].lower()), arguments[1]))


def html_text_match(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a pattern matches a text of a list."""
    return int(any(examined.search(arguments[1], text) is not None for text in _texts(examined, arguments[0])))


def html_text_not_match(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether there is a text of a list that a pattern does not match."""
    return int(any(examined.search(arguments[1], text) is None for text in _texts(examined, arguments[0])))


def html_title_subject_ratio(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a title is more than so many times as long as the Subject with its line end."""
    subject = examined.headers.get("Subject")
    if not subject:
        return 0
    most = float(arguments[0]) * len(subject)
    return int(any(len(title) > most for title in _texts(examined, "title")))


def html_charset_faraway(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether HTML names a charset of languages that nobody here reads (`ok_locales`)."""
    charsets = str(examined.text.html.get("charsets") or "").split()
    return int(bool(charsets) and all(faraway(charset, examined.option("ok_locales")) for charset in charsets))


def check_iframe_src(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether a frame within the text loads a page by itself."""
    return int(any("iframe" in uri.kinds for uri in examined.text.uris))


def _number(examined: Examined, name: str) -> float | None:
    value = examined.text.html.get(name)
    return float(value) if isinstance(value, int | float) else None


def _inside(examined: Examined) -> Mapping[str, int]:
    found = examined.text.html.get("inside")
    return found if isinstance(found, Mapping) else {}


def _texts(examined: Examined, name: str) -> Sequence[bytes]:
    found = examined.text.html.get(name)
    return [text for text in found if isinstance(text, bytes)] if isinstance(found, list | tuple) else ()


def _holds(value: float | None, condition: str) -> bool:
    sign, _, number = condition.strip().partition(" ")
    compare = _COMPARED.get(sign)
    return value is not None and compare is not None and compare(value, float(number))


EVALS: dict[str, Eval] = {
    function.__name__: function
    for function in (
        check_iframe_src,
        html_charset_faraway,
        html_eval,
        html_image_only,
        html_image_ratio,
        html_range,
        html_tag_balance,
        html_tag_exists,
        html_test,
        html_text_match,
        html_text_not_match,
        html_title_subject_ratio,
    )
}
