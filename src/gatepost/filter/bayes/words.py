"""The tokens of a line of text, as SpamAssassin 4 makes them, so that what one has learned serves the other.

Of the body and of URIs; headers, by `headers.py`, pass through here too. Letters keep their case, and body words come in lower case
beside it; addresses and domains come in parts as well, long words shortened.

Source: what `Mail::SpamAssassin::Plugin::Bayes` 4.0.1 makes of messages, watched from outside (docs/decisions/0051).
"""

import enum
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

LONGEST: Final = 15
"""Octets of a word that is kept whole (bayes_max_token_length)."""
SHORTEST: Final = 3
_REMEMBERED: Final = 32
"""Octets of a word that may be looked at once for many messages."""
_DOMAINS: Final = 40
"""Parts of a name that count; there are not more in those that exist, and each makes a token as long as what follows it."""

# fmt: off
STOP_WORDS: Final = re.compile(
    rb"(?:able|all|already|and|any|are|because|both|can|come|each|email|even|few|first|for|from|give|has|have|http|information|into"
    rb"|it's|just|know|like|long|look|made|mail|mailing|mailto|make|many|more|most|much|need|not|now|number|off|one|only|out|own"
    rb"|people|place|right|same|see|such|that|the|this|through|time|using|web|where|why|with|without|work|world|year|years|you"
    rb"|you're|your)",
    re.IGNORECASE,
)
"""English words that say nothing, where rule files name no others (bayes_stopword_en)."""
# fmt: on


class Region(enum.Enum):
    """Where a line stands, which decides what becomes of its words."""

    HEADER = "header"
    BODY = "body"
    HIDDEN = "what HTML hides"
    URI = "URI"


_PREFIX: Final = {Region.HEADER: b"", Region.BODY: b"", Region.HIDDEN: b"I*:", Region.URI: b""}
_NO_WORD: Final = re.compile(rb"[^-A-Za-z0-9,@*!_'\"$.\x80-\xff]+")
_NO_LATIN_WORD: Final = re.compile(rb"[^-A-Za-z0-9,@*!_'\"$.\xa1-\xff]+")
_DOTS: Final = re.compile(rb"(?<=[A-Za-z0-9_])(\.{3,6})(?=[A-Za-z0-9_])")
_DASHES: Final = re.compile(rb"(?<=[A-Za-z0-9_])(-{2,6})(?=[A-Za-z0-9_])")
_SENTENCE: Final = re.compile(rb"(?:^|\.\s+)([A-Z])([^A-Z]+)(?:\s|$)")
_ADDRESS: Final = re.compile(rb"(.+)@(.+)", re.DOTALL)
_DOMAIN: Final = re.compile(rb"\S\.[A-Za-z]")
_WIDE: Final = re.compile(rb"[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_ODD: Final = re.compile(rb"[^A-Za-z0-9_:*]")
_SEVEN: Final = re.compile(
    rb"(?:[\x00-\x7f\xf5-\xff]|[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|.){7}", re.DOTALL
)


def words(line: bytes, region: Region, stop: re.Pattern[bytes] = STOP_WORDS) -> Iterator[bytes]:
    """The tokens of a line, in order, doubles too. `stop`: words that are left out, whatever their case."""
    text = (_NO_WORD if _is_utf8(line) else _NO_LATIN_WORD).sub(b" ", line)
    if b"..." in text:
        text = _DOTS.sub(rb" \1 ", text)
    if b"--" in text:
        text = _DASHES.sub(rb" \1 ", text)
    if region is Region.BODY or region is Region.HIDDEN:
        text = _SENTENCE.sub(_lower_first, text)
    for word in text.split():
        yield from _remembered(word, region, stop) if len(word) <= _REMEMBERED else _tokens(word, region, stop)


def _is_utf8(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lower_first(match: re.Match[bytes]) -> bytes:
    return b" " + match[1].lower() + match[2] + b" "


def _tokens(word: bytes, region: Region, stop: re.Pattern[bytes]) -> tuple[bytes, ...]:
    word = word.lstrip(b"-'\".,").rstrip(b"-'\".,")
    if len(word) < SHORTEST or stop.fullmatch(word):
        return ()
    found: list[bytes] = []
    if region is not Region.HEADER:
        found += _names(word)
    if len(word) > LONGEST and b"*" not in word:
        if wide := _WIDE.findall(word):
            return (*found, *(_PREFIX[region] + b"u8:" + character for character in wide))
        if region is not Region.URI and (start := _SEVEN.match(word)):
            word = b"sk:" + start[0]
    forms = [word]
    if region is not Region.HEADER:
        forms += [form for form in _plainer(word) if form]
    return (*found, *(_PREFIX[region] + form for form in forms))


_remembered = lru_cache(maxsize=1 << 16)(_tokens)


def _names(word: bytes) -> list[bytes]:
    """The parts of an address or of a domain."""
    address = _ADDRESS.fullmatch(word)
    if address:
        return [b"U*" + address[1], *domains(b"D*", address[2])]
    if _DOMAIN.search(word):
        return domains(b"UD:", word)
    return []


def domains(prefix: bytes, name: bytes) -> list[bytes]:
    """A name, and what remains of it as labels are taken off its front."""
    found = [prefix + name]
    for _ in range(_DOMAINS):
        label, _, name = name.partition(b".")
        if not label or not name:
            break
        found.append(prefix + name)
    return found


def _plainer(word: bytes) -> Iterator[bytes]:
    """A word without what is no letter or figure, in lower case, and both."""
    plain = _ODD.sub(b"", word)
    if plain != word:
        yield plain
    lower = word.lower()
    if lower != word:
        yield lower
        if plain != word:
            yield plain.lower()
