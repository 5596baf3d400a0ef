"""HTML cut into tags, text and the rest, as the parser does that SpamAssassin uses; the wrong places of mail are read as there.

Nothing is put right, as a browser would: what a sender writes is what counts. Goes along the text once.
"""

import re
from collections.abc import Generator, Iterator
from typing import Final

START: Final = 0
END: Final = 1
TEXT: Final = 2
COMMENT: Final = 3
DECLARATION: Final = 4

Token = tuple[int, str, str]
"""What it is; the name of the tag or, of text, of the element in which nothing is markup, in lower case; attributes or text as it
stands."""

_TAG: Final = re.compile(
    r"""<(?:
    ([A-Za-z_](?>(?:[^\s>/]|/(?!>))*))((?>(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])))*))>
    | /(?:([A-Za-z_!][^\s>]*+)[^>]*+|[^>]*+)>
    | !([A-Za-z]++)[^>]*+>
    | ![^>]*+>
    | \?[^>]*+>
    )""",
    re.VERBOSE,
)
_OPENERS: Final = re.compile(r"<(?=[A-Za-z_/!?]|\Z)")
_CLOSERS: Final = {
    name: re.compile(rf"</{name}\s*+>", re.IGNORECASE) for name in ("script", "style", "textarea", "title", "iframe", "xmp")
}
"""Of elements in which no tag but their own end counts."""
_ENDING_THEMSELVES: Final = frozenset(("script", "style", "title"))
"""Those of them that end where the text does."""


def tokens(html: str) -> Iterator[Token]:
    """All that `html` consists of. What does not end, and begins as a tag, is a comment to the end."""
    at = 0
    long = _Long()
    while (opener := _OPENERS.search(html, at)) is not None:
        start = opener.start()
        if start > at:
            yield TEXT, "", html[at:start]
        if html.startswith(("<!--", "<![CDATA["), start) and (token := long.token(html, start)) is not None:
            yield token
            at = long.end
            continue
        found = _TAG.match(html, start)
        if found is None:
            yield COMMENT, "", html[start:]
            return
        at = found.end()
        if found.lastindex is None:
            if html.startswith(("<!", "</"), start):
                yield COMMENT, "", found[0]
        elif found[1] is not None:
            name = found[1].lower()
            yield START, name, found[2]
            if name in _CLOSERS or name == "plaintext":
                at = yield from _raw(html, at, name)
        else:
            yield _rest(found)
    rest = html[at:]
    for text in (rest.rstrip(), rest[len(rest.rstrip()) :]):
        if text:
            yield TEXT, "", text


class _Long:
    """Comments and marked sections, which end at marks of their own. A mark that is not found once is not looked for again.
    `end`: of the last one."""

    def __init__(self) -> None:
        self.end = 0
        self._missing: set[str] = set()

    def token(self, html: str, start: int) -> Token | None:
        """The one that begins at `start`; None where it does not end, or ends like a tag."""
        comment = html.startswith("<!--", start)
        mark = "-->" if comment else "]]>"
        end = -1 if mark in self._missing else html.find(mark, start + (4 if comment else 9))
        if end < 0:
            self._missing.add(mark)
            return None
        self.end = end + 3
        return (COMMENT, "", html[start : self.end]) if comment else (TEXT, "", html[start + 9 : end])


def _rest(found: re.Match[str]) -> Token:
    """What is neither a start tag nor nothing."""
    if found[3] is not None:
        return END, found[3].lower(), ""
    if found[4].lower() == "doctype":
        return DECLARATION, "!doctype", ""
    return COMMENT, "", found[0]


def _raw(html: str, at: int, name: str) -> Generator[Token, None, int]:
    """The text of an element that has no tags in it, and its end; where to go on."""
    closer = _CLOSERS[name].search(html, at) if name in _CLOSERS else None
    end = closer.start() if closer else len(html)
    if end > at:
        yield TEXT, name, html[at:end]
    if closer or name in _ENDING_THEMSELVES:
        yield END, name, ""
    return closer.end() if closer else end
