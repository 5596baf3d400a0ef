"""What a sender calls a file. Mail programs do not agree which of several names counts, so that each does: `name`, `filename`,
in pieces or encoded or both (RFC 2231, RFC 2047), more than once, and without what Windows leaves out at the end."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from gatepost.filter.text.charsets import to_utf8
from gatepost.filter.text.encoded_words import Reading, decoded_words

_PARAMETER: Final = re.compile(
    rb"""\b(?:file)?name(?P<star>(?:\*\d{1,4})?\*?)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"?|(?P<word>[^\s;]*+))""",
    re.IGNORECASE | re.DOTALL,
)
_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
_HEADERS: Final = frozenset((b"content-type", b"content-disposition"))
_LEFT_OUT: Final = re.compile(r"[\0-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls, and what turns the direction of writing (`exe.fdp` shown as `pdf.exe`)."""
_MOST: Final = 32
_LONGEST: Final = 1024


def names(headers: Sequence[tuple[bytes, bytes]], known: bytes = b"") -> tuple[bytes, ...]:
    """Of a part, by its headers; `known`: the name that was found in them otherwise."""
    found = [known] if known else []
    for name, value in headers:
        if name.lower() in _HEADERS:
            line = value.replace(b"\n", b"")
            for several in zip(*(_parameters(line, reading) for reading in (to_utf8, _as_it_is)), strict=True):
                found += several
    return alike(found)


def _as_it_is(octets: bytes, _: str) -> bytes:
    """What octets mean to a mail program that does not care for a charset in which they mean nothing."""
    return octets


def alike(found: Iterable[bytes]) -> tuple[bytes, ...]:
    """Names in UTF-8, each as it stands and as it may be read, each once, without empty ones. Of too many the first and the last:
    those are the ones that programs choose."""
    every = tuple(dict.fromkeys(form.encode() for name in found for form in _forms(name) if form))
    return every if len(every) <= _MOST else every[: _MOST // 2] + every[-_MOST // 2 :]


def _forms(name: bytes) -> tuple[str, str]:
    plain = _LEFT_OUT.sub("", _short(name).decode("utf-8", "replace"))
    return plain, plain.rstrip(" .")


def _short(name: bytes) -> bytes:
    """A name that is too long without its middle: what counts is its end."""
    return name if len(name) <= _LONGEST else name[: _LONGEST // 2] + name[-_LONGEST // 2 :]


def leads_out(name: bytes) -> bool:
    """Whether a member would be unpacked elsewhere than in the folder for it."""
    path = name.replace(b"\\", b"/")
    return path.startswith(b"/") or path[1:2] == b":" or b"\0" in path or b".." in path.split(b"/")


def _parameters(value: bytes, reading: Reading) -> Iterator[bytes]:
    """The names in a value: as many, in the same order, whatever the reading."""
    pieces: list[tuple[int, bytes]] = []
    for match in _PARAMETER.finditer(value[:65536]):
        text = _PAIR.sub(rb"\1", match["quoted"]) if match["quoted"] is not None else match["word"]
        star = match["star"]
        if star.endswith(b"*"):
            text = _extended(text, reading)
        number = star.strip(b"*")
        if number:
            pieces.append((int(number), text))
        else:
            yield text
            yield decoded_words(text, reading)  # they do not belong into a parameter, and are understood there by all
    if pieces:
        yield b"".join(text for _, text in sorted(pieces, key=lambda piece: piece[0]))


def _extended(text: bytes, reading: Reading) -> bytes:
    """`charset'language'text`, octets as `%XX`; further pieces have the text alone."""
    charset, quote, rest = text.partition(b"'")
    if not quote or b"'" not in rest:
        return unquote_to_bytes(text)
    return reading(unquote_to_bytes(rest.partition(b"'")[2]), charset.decode("latin-1").lower())
