"""What is to be read in one part of a message."""

import re
from typing import Final

from msgspec import Struct

from gatepost.filter.port import Part
from gatepost.filter.text.charsets import plain_spaces, to_utf8
from gatepost.filter.text.html.page import Page, page
from gatepost.filter.text.paragraphs import cut

_NOT_RENDERED: Final = frozenset(("text/calendar", "text/x-vcard", "text/vcard", "text/x-vcalendar"))
"""Types of text that are for programs."""
_ENCODED: Final = frozenset(("base64", "quoted-printable"))
_LINE: Final = 2048
_LONG_LINE: Final = re.compile(rb"[^\n]{2048}")


class PartText(Struct, frozen=True):
    """What is read, seen and not seen of a part, UTF-8; `page` where it is HTML."""

    text: bytes = b""
    visible: bytes = b""
    invisible: bytes = b""
    page: Page | None = None


_NOTHING: Final = PartText()


def _type(part: Part) -> str:
    """A part that says to have others, and has none, is plain text."""
    return "text/plain" if part.type.startswith("multipart/") else part.type


def _is_html(part: Part) -> bool:
    return part.type == "text/html" or part.name.lower().endswith((b".html", b".htm"))


def stands_in_raw_body(part: Part) -> bool:
    """Whether `rawbody` rules see a part."""
    return _is_html(part) or (_type(part).startswith(("text/", "message/")) and part.type != "text/calendar")


def of_part(part: Part, most: int) -> PartText:
    """What is to be read in a part; of its text, `most` octets (body_part_scan_size)."""
    if _is_html(part):
        content = lines(part)
        return _of_page(to_utf8(content, part.charset), len(content), most)
    if not _type(part).startswith("text/") or part.type in _NOT_RENDERED:
        return _NOTHING
    text = cut(plain_spaces(to_utf8(lines(part), part.charset)), most)
    return PartText(text, text)


def _of_page(html: bytes, octets: int, most: int) -> PartText:
    plain = html.isascii()
    # these quotation marks stand in the place of others, in tags too
    source = html.decode("utf-8", "surrogateescape")
    found = page(source if plain else source.replace("\u201c", '"').replace("\u201d", '"'), octets, plain=plain)
    text, visible, invisible = [cut(_octets(text, plain), most) for text in (found.text, found.visible, found.invisible)]
    return PartText(text, visible, invisible, found)


def _octets(text: str, plain: bool) -> bytes:
    octets = text.encode("utf-8", "surrogateescape")
    return octets if plain and _is_latin(text) else plain_spaces(octets)


def _is_latin(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"


def lines(part: Part) -> bytes:
    """The content of a part of text, lines ended by LF. Long lines of parts within others are cut."""
    text = part.content.replace(b"\r\n", b"\n")
    if not part.path or part.encoding in _ENCODED or len(text) <= _LINE or max(map(len, text.split(b"\n"))) <= _LINE:
        return text
    return _LONG_LINE.sub(rb"\g<0>\n", text)
