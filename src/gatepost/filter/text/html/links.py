"""Where HTML leads to: the addresses in its tags, and the texts of its anchors."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

ATTRIBUTES: Final = {
    "a": "href",
    "area": "href",
    "base": "href",
    "bgsound": "src",
    "body": "background",
    "embed": "src",
    "form": "action",
    "frame": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "script": "src",
    "table": "background",
    "td": "background",
    "tr": "background",
}
"""The attribute of each element that names another document."""

_REFRESH: Final = re.compile(r"[^;=]*;\s*url\s*=\s*[\"']?([^\"'\s]+)", re.IGNORECASE)
_HAS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DOTS: Final = re.compile(r"(?:\.\.?/)+")
_ROOT: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:)(//[^/]*)?")


class Link(Struct, frozen=True):
    """raw: as it stands, without white space around it; `uri`: with the base of the document before it.
    kind: the element.
    anchor: which of the texts of anchors leads there, -1 for none.
    """

    raw: str
    uri: str
    kind: str
    anchor: int = -1


class Links:
    """Those that have been found, and `anchors`: the text in each `a`."""

    def __init__(self) -> None:
        self.found: list[Link] = []
        self._texts: list[list[str]] = []
        self._inside = 0
        self._base = ""

    @property
    def anchors(self) -> list[str]:
        return ["".join(texts) for texts in self._texts]

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """A tag begins."""
        if name == "a":
            self._inside += 1
            self._texts.append([])
            self.found.append(self._link(attributes.get("href", ""), "a" if "href" in attributes else "", len(self._texts) - 1))
        elif name == "meta":
            if attributes.get("http-equiv", "").lower() == "refresh" and (refresh := _REFRESH.match(attributes.get("content", ""))):
                self.found.append(self._link(refresh[1], "meta"))
        elif (address := attributes.get(ATTRIBUTES.get(name, ""), "").strip()) != "":
            if name == "base":
                self._base = address
            self.found.append(self._link(address, name))
        if name == "img":
            self.text("<img>\n")

    def end(self, name: str) -> None:
        """A tag ends."""
        if name == "a" and self._inside:
            self._inside -= 1

    def text(self, text: str) -> None:
        """Text stands here."""
        if self._inside:
            self._texts[-1].append(text)

    def _link(self, address: str, kind: str, anchor: int = -1) -> Link:
        address = address.strip()
        return Link(address, self._absolute(address), kind, anchor)

    def _absolute(self, address: str) -> str:
        """With the document's base before it."""
        if not address or _HAS_SCHEME.match(address):
            return address
        if address.startswith(("./", "../")):
            address = "/" + _DOTS.sub("", address)
        if address[:6].lower() == "//www.":
            return "http:" + address
        if not self._base:
            return address
        root = _ROOT.match(self._base)
        if root and address.startswith("//"):
            return root[1] + address
        if root and address.startswith("/"):
            return root[0] + address
        return self._base.rstrip("/") + "/" + address
