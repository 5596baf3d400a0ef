"""Facts of how HTML is written that rules ask for (HTMLEval), by SpamAssassin's names."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from gatepost.filter.text.html.looks import Look

_NAMES: Final = (
    "a abbr acronym address applet area b base basefont bdo big blockquote body br button caption center cite code col colgroup dd "
    "del dfn dir div dl dt em fieldset font form frame frameset h1 h2 h3 h4 h5 h6 head hr html i iframe img input ins isindex kbd "
    "label legend li link map menu meta nobr noframes noscript object ol optgroup option p param pre q s samp script select small "
    "span strike strong style sub sup table tbody td textarea tfoot th thead title tr tt u ul var x-sigsep x-tab"
)
_ELEMENTS: Final = frozenset(_NAMES.split())
"""Elements of HTML 4.01, and a few that nobody minds."""
_JOINING: Final = frozenset("_\u200c\u200d")
_OFFICE: Final = ("o:", "st1:")
_PIXELS: Final = re.compile(r"(\d+)(%?)\Z")
_FACES: Final = re.compile(r"\s*[\"']?[A-Za-z][A-Za-z -]*[A-Za-z][\"']?(?:\s*,\s*[\"']?[A-Za-z][A-Za-z -]*[A-Za-z][\"']?)*\s*\Z")
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w:.-]+)", re.IGNORECASE)
_SIDES: Final = {"width": 800, "height": 600}
"""Pixels of a window, of which images take shares."""
_UNKNOWN_SIDE: Final = 200
_MOST_COMMENTS: Final = 1000


class Quirks:
    """Those of one HTML text, noted as its tags come."""

    def __init__(self) -> None:
        self._inside: dict[str, int] = {}
        self._bad = 0
        self._tags = 0
        self._extra_ends = 0
        self._joints = 0
        self._comments: list[str] = []
        self._area = 0
        self._sizes = [3]
        self._charsets: list[str] = []
        self._marks: dict[str, object] = {}

    def start(self, name: str) -> None:
        self._tag(name)
        self._inside[name] = self._inside.get(name, 0) + 1

    def end(self, name: str) -> None:
        self._tag(name)
        depth = self._inside.get(name, 0)
        if depth:
            self._inside[name] = depth - 1
        else:
            self._inside[name] = 0
            self._extra_ends += 1

    def _tag(self, name: str) -> None:
        self._tags += 1
        if not _known(name):
            self._bad += 1

    def declaration(self, name: str) -> None:
        self._tags += 1
        self._inside.setdefault(name, 0)

    def comment(self, text: str) -> None:
        if len(self._comments) < _MOST_COMMENTS:
            self._comments.append(text)

    def attributes(self, name: str, found: Mapping[str, str]) -> None:
        """Of a tag that begins."""
        match name:
            case "img":
                self._image(found)
            case "embed" | "object":
                self._marks["embeds"] = 1
            case "form":
                if re.match(r"\s*mailto:", found.get("action", ""), re.IGNORECASE):
                    self._marks["form_action_mailto"] = 1
            case "font":
                if "face" in found and not _FACES.match(found["face"]):
                    self._marks["font_face_bad"] = 1
            case "meta":
                self._charsets += _CHARSET.findall(found.get("content", ""))

    def _image(self, found: Mapping[str, str]) -> None:
        if "width" in found and "height" in found:
            self._area += _pixels(found["width"], "width") * _pixels(found["height"], "height")

    def size(self, size: int) -> None:
        """Of letters from here on."""
        self._sizes.append(size)

    def joint(self, before: str, text: str) -> None:
        """Where tags stand between two texts."""
        if before and text and _of_a_word(before[-1]) and _of_a_word(text[0]):
            self._joints += 1

    def unseen(self, look: Look) -> None:
        """Text that nobody sees, for it looks so."""
        if not look.known:
            self._marks["font_invalid_color"] = 1
        elif not look.contrast:
            self._marks["font_low_contrast"] = 1

    def facts(self) -> dict[str, object]:
        found = self._marks | {"inside": self._inside, "image_area": self._area}
        found |= {"max_size": max(self._sizes), "min_size": min(self._sizes)}
        if self._comments:
            found["comment"] = tuple([text.encode("utf-8", "surrogateescape") for text in self._comments])
        if self._charsets:
            found["charsets"] = " ".join(self._charsets)
        if self._tags:
            found["closed_extra_ratio"] = self._extra_ends / self._tags
            names = [name for name in self._inside if name != "!doctype"]
            unknown = sum([not _known(name) for name in names])
            if unknown < len(names):
                found["bad_tag_ratio"] = self._bad / self._tags
                found["non_element_ratio"] = unknown / len(names)
            if self._joints:
                found["obfuscation_ratio"] = self._joints / self._tags
        return found


def _of_a_word(character: str) -> bool:
    r"""Whether it is one of those of which words consist (Unicode TR 18, `\w`)."""
    return character.isalnum() or character in _JOINING or unicodedata.category(character)[0] == "M"


def _known(name: str) -> bool:
    return name in _ELEMENTS or name.startswith(_OFFICE)


def _pixels(value: str, side: str) -> int:
    found = _PIXELS.match(value[:8])
    number = int(found[1]) if found else 0
    if found and found[2]:
        return _SIDES[side] * number // 100
    return number or _UNKNOWN_SIDE
