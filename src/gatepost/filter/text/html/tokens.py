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
    ([A-Za-z_](?>(?:[^\s>/]+|/(?!>))*))((?>(?:[^>=]+|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["']))){0,500}))>
    | /(?:([A-Za-z_!][^\s>]*+)[^>]*+|[^>]*+)>
    | !([A-Za-z]++)[^>]*+>
    | ![^>]*+>
    | \?[^>]*+>
    )""",
    re.VERBOSE,
)
_NAME: Final = re.compile(r"<([A-Za-z_](?>(?:[^\s>/]+|/(?!>))*))")
_ATTRIBUTES: Final = re.compile(r"""(?>(?:[^>=]+|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["']))){1,500})""")
"""Of tags with very many, which are gone along in steps."""
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
        token = _token(found) if found else long.tag(html, start)
        if token is None and found is None:
            yield COMMENT, "", html[start:]
            return
        at = found.end() if found else long.end
        if token is not None:
            yield token
            if token[0] == START and (token[1] in _CLOSERS or token[1] == "plaintext"):
                at = yield from _raw(html, at, token[1])
    rest = html[at:]
    for text in (rest.rstrip(), rest[len(rest.rstrip()) :]):
        if text:
            yield TEXT, "", text


class _Long:
    """Comments and marked sections, which end at marks of their own, and tags with very many attributes. A mark that is not found
    once is not looked for again. `end`: of the last one."""

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

    def tag(self, html: str, start: int) -> Token | None:
        """The start tag at `start`; None where it does not end."""
        name = _NAME.match(html, start)
        at = name.end() if name else start
        while (found := _ATTRIBUTES.match(html, at)) is not None:
            at = found.end()
        if not name or not html.startswith(">", at):
            return None
        self.end = at + 1
        return START, name[1].lower(), html[name.end() : at]


def _token(found: re.Match[str]) -> Token | None:
    """What has been found; None for a processing instruction, which says nothing."""
    if found[1] is not None:
        return START, found[1].lower(), found[2]
    if found[3] is not None:
        return END, found[3].lower(), ""
    if found[4] is not None and found[4].lower() == "doctype":
        return DECLARATION, "!doctype", ""
    return None if found[0].startswith("<?") else (COMMENT, "", found[0])


def _raw(html: str, at: int, name: str) -> Generator[Token, None, int]:
    """The text of an element that has no tags in it, and its end; where to go on."""
    closer = _CLOSERS[name].search(html, at) if name in _CLOSERS else None
    end = closer.start() if closer else len(html)
    if end > at:
        yield TEXT, name, html[at:end]
    if closer or name in _ENDING_THEMSELVES:
        yield END, name, ""
    return closer.end() if closer else end
