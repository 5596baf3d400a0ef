"""Charsets of languages that nobody here reads (perldoc Mail::SpamAssassin::Conf, ok_locales)."""

import re
from collections.abc import Sequence
from typing import Final

_ANYBODYS: Final = re.compile(r"(?:US)?ASCII|ISO(?:8859|10646)|UTF|UNICODE|CP125|WINDOWS|XUNKNOWN")
"""Charsets that are nobody's alone, or are always permitted."""

_OF_LOCALE: Final[dict[str, frozenset[str]]] = {
    "ja": frozenset(("EUCJP", "ISO2022JP", "SHIFTJIS", "SJIS", "JISX0201", "JISX0208", "JISX0212")),
    "ko": frozenset(("EUCKR", "ISO2022KR", "KSC56011987")),
    "ru": frozenset(("KOI8R", "KOI8U", "KOI8T", "CP866", "ISOIR111", "GEORGIANPS")),
    "th": frozenset(("TIS620",)),
    "zh": frozenset(("GB1988", "GB2312", "GBK", "GB18030", "BIG5", "BIG5HKSCS", "EUCTW", "ISO2022CN")),
}

_NO_LETTERS: Final = re.compile(r"[^A-Z0-9]")


def faraway(charset: str, ok_locales: Sequence[str]) -> bool:
    """Whether a charset is of none of the locales that the last `ok_locales` lists."""
    locales = ok_locales[-1].split() if ok_locales else ["all"]
    if "all" in locales:
        return False
    name = _NO_LETTERS.sub("", charset.upper())
    return not _ANYBODYS.match(name) and not any(name in _OF_LOCALE.get(locale, ()) for locale in locales)
