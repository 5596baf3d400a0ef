"""The text of a message, as rules of SpamAssassin see it."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Final

from gatepost.filter.port import HeaderView, Part, Text
from gatepost.filter.text.paragraphs import chunks, cut, paragraphs
from gatepost.filter.text.part_text import lines, of_part, stands_in_raw_body
from gatepost.filter.text.uris.domains import Domains, domains
from gatepost.filter.text.uris.gathering import gathered, signing
from gatepost.filter.text.uris.redirectors import Redirectors

_DIGITS: Final = 10


def rendered(parts: Sequence[Part], headers: HeaderView, options: Mapping[str, Sequence[str]]) -> Text:
    """What is to be read in `parts`, with the Subject of `headers` before it.

    options: settings of rule files by name, the values of each in order (`body_part_scan_size`, `redirector_pattern` ...).
    """
    subject = (headers.get("Subject") or b"").removesuffix(b"\n").rpartition(b"\n")[2] + b"\n"
    leaves = [part for part in parts if not part.composite]
    most = _size(options, "body_part_scan_size", 50_000)
    most_raw = _size(options, "rawbody_part_scan_size", 500_000)
    about = _domains(*[tuple(options.get(name, ())) for name in ("util_rb_tld", "util_rb_2tld", "util_rb_3tld")])
    redirectors = _redirectors(tuple(options.get("redirector_pattern", ())))
    texts = [of_part(part, most) for part in leaves]
    pages = [text.page for text in texts if text.page is not None]
    plain = [text.page is not None and text.page.plain for text in texts]
    body = _paragraphs([text.text for text in texts], plain)
    hidden = any(text.invisible for text in texts)
    return Text(
        body=(subject, *body),
        raw_body=tuple([chunk for part in leaves if stands_in_raw_body(part) for chunk in chunks(cut(lines(part), most_raw))]),
        visible=(subject, *(_paragraphs([text.visible for text in texts], plain) if hidden else body)),
        invisible=tuple(_paragraphs([text.invisible for text in texts], plain)) if hidden else (),
        uris=(
            *gathered(pages, [text.decode("utf-8", "surrogateescape") for text in (subject, *body)], about, redirectors),
            *signing(headers.all("DKIM-Signature"), about),
        ),
        html=pages[-1].facts if pages else {},
        rendered={part.path: text.text for part, text in zip(leaves, texts, strict=True) if part.type.startswith("text/")},
    )


@functools.lru_cache(4)
def _domains(top: tuple[str, ...], second: tuple[str, ...], third: tuple[str, ...]) -> Domains:
    """Those of a rule set."""
    return domains(top, second, third)


@functools.lru_cache(4)
def _redirectors(patterns: tuple[str, ...]) -> Redirectors:
    return Redirectors(patterns)


def _paragraphs(texts: Sequence[bytes], plain: Sequence[bool]) -> list[bytes]:
    """Those of all parts. `plain`: of each part, whether it is HTML that is ASCII but for references. If no other has octets beyond
    ASCII, SpamAssassin has the text in latin-1 where that suffices."""
    if not all(map(bytes.isascii, texts)) and all(one or text.isascii() for text, one in zip(texts, plain, strict=True)):
        with contextlib.suppress(UnicodeEncodeError):
            texts = [text.decode("utf-8", "surrogateescape").encode("latin-1") for text in texts]
    return list(paragraphs(texts))


def _size(options: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    """A number of octets that a setting names; 0 for no limit."""
    value = options.get(name, ())[-1:]
    return int(value[0]) if value and value[0].isdecimal() and len(value[0]) < _DIGITS else default
