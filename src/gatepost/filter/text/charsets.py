"""Text in any charset as UTF-8, as SpamAssassin 4 has it (normalize_charset, Mail::SpamAssassin::Conf(3)).

What is valid UTF-8 is UTF-8, whatever it is said to be; else the declared charset counts if it explains every octet; else it is
windows-1252, which is also what those mean who say latin-1. Measured beside SpamAssassin 4.0.1 without Encode::Detect.
"""

import codecs
import encodings.aliases
import re
from collections.abc import Callable
from typing import Final

_WINDOWS: Final = "cp1252"
_SAME: Final = {
    "": _WINDOWS,
    "utf-8": _WINDOWS,
    "utf8": _WINDOWS,
    "us-ascii": _WINDOWS,
    "ascii": _WINDOWS,
    "iso-8859-1": _WINDOWS,
    "iso8859-1": _WINDOWS,
    "latin1": _WINDOWS,
    "utf-16": "utf-16-be",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "ks_c_5601-1987": "cp949",
    "hz-gb-2312": "gb2312",
    "x-mac-cyrillic": "mac-cyrillic",
}
"""Names that mean something else than in Python, or nothing there."""
_NAMES: Final = (
    "ascii big5 big5hkscs cp1125 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp437 cp775 cp850 cp852 "
    "cp855 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp932 cp949 cp950 euc_jis_2004 euc_jp "
    "euc_kr gb18030 gb2312 gbk hp_roman8 hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_3 iso2022_kr iso8859_1 "
    "iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 "
    "iso8859_7 iso8859_8 iso8859_9 johab koi8_r koi8_t koi8_u mac_cyrillic mac_greek mac_latin2 mac_roman mac_turkish "
    "ptcp154 shift_jis shift_jis_2004 tis_620 utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le utf_7"
)
_DECODERS: Final[dict[str, Callable[[], codecs.IncrementalDecoder]]] = {
    name: decoder for name in _NAMES.split() if (decoder := codecs.lookup(name).incrementaldecoder) is not None
}
"""By Python's names, loaded beforehand: where mail is scanned, nothing can be loaded any more."""
_LONGEST: Final = 64
_SHIFTING: Final = re.compile(r"utf-?(7|16|32)|iso-2022-|unicode-1-1-utf-7")
"""Charsets in which ASCII octets mean other characters."""
_SPACES: Final = re.compile(rb"\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80")
"""White space of Unicode beyond ASCII, in UTF-8."""


def to_utf8(text: bytes, charset: str) -> bytes:
    """`text`, said to be in `charset` (lower case, empty: nothing is said), in UTF-8. What nothing explains stays as it is."""
    shifting = _SHIFTING.match(charset) is not None
    if not shifting and text.isascii():
        return text
    if not shifting and _valid(text):
        return text
    name = charset.removesuffix("_charset")
    name = _SAME.get(name, name)
    if (decoded := _decoded(text, name)) is not None:
        return decoded.encode("utf-8", "replace")
    return text if charset.endswith("utf-7") else text.decode(_WINDOWS, "replace").encode("utf-8")


def plain_spaces(text: bytes) -> bytes:
    """UTF-8 with all white space beyond ASCII as blanks."""
    return text if text.isascii() else _SPACES.sub(b" ", text)


def _valid(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(text: bytes, charset: str) -> str | None:
    """None where the charset is not known or does not explain the text; a character that is cut at the end is left out."""
    if charset == _WINDOWS or (decoder := _decoder(charset)) is None:
        return None
    try:
        return decoder().decode(text, False)
    except UnicodeDecodeError as error:
        # those that shift end where they cannot go on
        return text[: error.start].decode(charset, "ignore") if charset.startswith("iso-2022-") else None
    except ValueError:
        return None


def _decoder(charset: str) -> Callable[[], codecs.IncrementalDecoder] | None:
    name = encodings.normalize_encoding(charset[:_LONGEST]).lower()
    return _DECODERS.get(encodings.aliases.aliases.get(name, name))
