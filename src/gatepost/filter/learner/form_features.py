"""How a message is made: HTML tags, parts, and what its words look like."""

import re
from collections.abc import Iterator
from typing import Final

from gatepost.filter.learner.sender_features import shape
from gatepost.filter.learner.text_features import shown_text
from gatepost.filter.port import Examined, Part

_HTML_READ: Final = 65_536
_TAGS: Final = 3000
_TAG: Final = re.compile(rb"<([A-Za-z][A-Za-z0-9]{0,15})([^<>]{0,300})")
_NAME: Final = re.compile(r"([A-Za-z-]{1,20})\s{0,4}=")
_VALUE: Final = re.compile(r"(?:color|bgcolor|size|width|height|border|face)\s{0,4}=\s{0,4}[\"']?([#\w%-]{1,40})", re.IGNORECASE)
_WORD: Final = re.compile(r"\S{1,80}")
_PLAIN_READ: Final = 16_384
_SHAPES_READ: Final = 4000
_ZERO_WIDTH: Final = re.compile("[\u200b\u200c\u200d\u00ad\u2060\ufeff]")
_LINES: Final = (
    ("quotes", re.compile(rb"^>", re.MULTILINE)),
    ("signature", re.compile(rb"^-- ?$", re.MULTILINE)),
    ("patch", re.compile(rb"^(?:diff|\+\+\+|@@)", re.MULTILINE)),
)


def form_tokens(examined: Examined) -> Iterator[str]:
    """Tokens of tags, of parts and of the text as a figure."""
    text = shown_text(examined)
    for part in examined.parts:
        if part.type == "text/html":
            yield from _tags(part.content)
        elif part.type == "text/plain":
            yield from (f"form: {name}" for name, pattern in _LINES if pattern.search(part.content[:_PLAIN_READ]))
    yield from _parts(examined.parts)
    yield from _figure(text)
    if _has_picture(examined) and len(text.split(None, 30)) < 30:
        yield "form: picture with few words"
    if any(examined.text.invisible):
        yield "form: hidden text"


def _tags(html: bytes) -> Iterator[str]:
    for number, match in enumerate(_TAG.finditer(html[:_HTML_READ])):
        if number == _TAGS:
            return
        tag, attributes = match[1].decode().lower(), match[2].decode("utf-8", "replace")
        yield f"tag:{tag}"
        yield from (f"attribute:{tag} {name.lower()}" for name in _NAME.findall(attributes)[:8])
        yield from (f"value:{value.lower()[:10]}" for value in _VALUE.findall(attributes)[:4])


def _parts(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts[:100]:
        yield f"part:{part.type[:40]}"
        yield f"charset:{part.charset[:20]}"
        yield f"encoding:{part.encoding[:20]}"
        yield f"disposition:{part.disposition}"
        yield f"part as:{part.type[:20]} {part.charset[:16]} {part.encoding[:20]}"
        if part.name:
            yield f"file:{part.name.rpartition(b'.')[2][:8].decode('utf-8', 'replace').lower()}"
    yield f"parts:{min(len(parts), 10)}"


def _figure(text: str) -> Iterator[str]:
    yield f"length:{len(text).bit_length()}"
    yield f"words:{len(text.split()).bit_length()}"
    yield f"paragraphs:{min(text.count(chr(10)), 64).bit_length()}"
    wide = sum(character > "\x7f" for character in text)
    yield f"not ASCII:{10 * wide // (len(text) + 1)}"
    upper, lower = sum(map(str.isupper, text)), sum(map(str.islower, text))
    yield f"capitals:{10 * upper // (upper + lower + 1)}"
    if _ZERO_WIDTH.search(text):
        yield "form: zero width"
    yield from (f"word shape:{shape(word)}" for word in _WORD.findall(text[:_SHAPES_READ]))


def _has_picture(examined: Examined) -> bool:
    return any(part.type.startswith("image/") for part in examined.parts) or any("img" in uri.kinds for uri in examined.text.uris)
