"""What text looks like inside the tags that are open: whether a reader sees it.

As far as SpamAssassin judges it, that is: colours of `font`, `basefont`, `body` and of style attributes of a few elements, sizes of
`font`, display and visibility; no style sheets.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.filter.text.html.colours import BLACK, WHITE, Colour, colour, readable

STYLED: Final = frozenset(("a", "div", "p", "span", "table", "td", "th", "tr"))
"""Elements whose style attribute counts."""
_COLOUR_ATTRIBUTE: Final = {"font": "color", "basefont": "color", "body": "text"}
_STEPS: Final = {"big": 1, "small": -1}
"""Elements that change the size."""
TELLING: Final = STYLED | _COLOUR_ATTRIBUTE.keys() | _STEPS.keys()

_SIZE: Final = re.compile(r"\s*([+-]?)(\d{1,4})")
_NORMAL: Final = 3
_SMALLEST: Final = 2
"""Size of letters that can be read."""

_DECLARATION: Final = re.compile(r"([^:;]*+):([^;]*+)")
_IMPORTANT: Final = re.compile(r"\s*!\s*important\Z")
_FUNCTION_BLANKS: Final = re.compile(r"\s*([(),])\s*")
_WORD: Final = re.compile(r"(?:[^\s()]+\([^)]*\))|[^\s()]+")
_SAME: Final = frozenset(("", "inherit"))
_NOT_COLOURS: Final = frozenset(("transparent", "none", "inherit", ""))


class Look(Struct, frozen=True):
    """text, ground: colours; None for one that nobody knows.
    size: 1 to 7, as `font` counts.
    base: the size that relative ones go by.
    shown: not display:none; visible: not visibility:hidden.
    """

    text: Colour | None = BLACK
    ground: Colour | None = WHITE
    size: int = _NORMAL
    base: int = _NORMAL
    shown: bool = True
    visible: bool = True

    @property
    def known(self) -> bool:
        """Whether both colours are."""
        return self.text is not None and self.ground is not None

    @property
    def contrast(self) -> bool:
        """Whether the colours, as far as they are known, can be told apart."""
        return self.text is None or self.ground is None or readable(self.text, self.ground)

    @property
    def seen(self) -> bool:
        """Whether a reader sees text of this look."""
        return self.shown and self.visible and self.known and self.size >= _SMALLEST and self.contrast


PLAIN: Final = Look()


def look(tag: str, attributes: Mapping[str, str], outer: Look) -> Look:
    """Inside a tag of TELLING that stands where text has the look `outer`."""
    if tag in STYLED:
        style = attributes.get("style")
        return styled(style, outer) if style else outer
    if tag in _STEPS:
        return replace(outer, size=outer.size + _STEPS[tag])
    found = outer
    name = _COLOUR_ATTRIBUTE[tag]
    if name in attributes:
        found = replace(found, text=colour(attributes[name].strip().lower()))
    if tag != "body" and (match := _SIZE.match(attributes.get("size", ""))):
        size = int(match[2])
        if match[1]:
            size = found.base + (size if match[1] == "+" else -size)
        found = replace(found, size=size) if tag == "font" else replace(found, size=size, base=size)
    return found


def styled(style: str, outer: Look) -> Look:
    """With the declarations of a style attribute (CSS 2.1 section 4.1.8)."""
    found = outer
    for match in _DECLARATION.finditer(style):
        value = match[2].strip() or match[2]
        match match[1].strip().lower():
            case "color":
                found = replace(found, text=_of_text(value, found))
            case "background-color":
                found = replace(found, ground=_of_ground(value, found))
            case "background":
                found = replace(found, ground=_of_background(value, found))
            case "display":
                found = replace(found, shown=value != "none")
            case "visibility":
                found = replace(found, visible=value != "hidden")
    return found


def _value(value: str) -> str:
    return _FUNCTION_BLANKS.sub(r"\1", _IMPORTANT.sub("", value.lower()))


def _of_text(value: str, outer: Look) -> Colour | None:
    value = _value(value)
    if value in _SAME:
        return outer.text
    return outer.ground if value == "transparent" else colour(value)


def _of_ground(value: str, outer: Look) -> Colour | None:
    value = _value(value)
    return outer.ground if value in _NOT_COLOURS else colour(value)


def _of_background(value: str, outer: Look) -> Colour | None:
    """The first colour in the several values of the property; not one with a share of what is below it."""
    for word in _WORD.findall(_FUNCTION_BLANKS.sub(r"\1", value.lower())):
        if not word.startswith("rgba") and (found := colour(word)) is not None:
            return found
    return outer.ground
