"""The grammar of command arguments: words, paths, xtext (RFC 5321 §4.1.2, RFC 3461 §4, RFC 6533 §3).

Paths are read as Postfix reads them: RFC 5321 form first, else what RFC 822 allows (comments, a bare address, a source route,
which is dropped), unless `strict_rfc821_envelopes` asks for `strict`.
"""

import re
import sys
from typing import Final

from gatepost.mail.ascii_text import SPACE

_PLAIN_ARGUMENT: Final = re.compile(r"([A-Za-z]+:) ?(<[^\x00-\x20\x7f\"\\<>()]*+>)((?>(?: [^\x00-\x20\"\\<>:\[\]]++)*))\Z")
_PLAIN_PATH: Final = re.compile(r"<([^\x00-\x20\x7f\"\\<>()\[\]:;,@]+@[^\x00-\x20\x7f\"\\<>()\[\]:;,@]+)>\Z")
_CLOSER: Final = {"<": ">", '"': '"', "[": "]"}

_XTEXT: Final = re.compile(r"(?:[^\x00- +\x7f]++|\+[0-9A-Fa-f]{2})*+\Z")
_XTEXT_CODE: Final = re.compile(rb"\+([0-9A-Fa-f]{2})")
_UXTEXT_CODE: Final = re.compile(r"\\x\{([0-9A-Fa-f]{0,8})(\}?)")
_ADDRESS_TYPE: Final = re.compile(r"[!-~]+\Z")


def words(text: str, *, colon: bool = False) -> list[str]:
    """The words of a command's argument. Blanks part them; `<...>`, `[...]` and quoted strings hold together. `colon`: one in the
    first word ends it, as in `FROM:<user@domain>`, and stays with it."""
    if match := _PLAIN_ARGUMENT.match(text):
        return [match[1], match[2], *match[3].split(" ")[1:]]
    out: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in SPACE:
            position += 1
        if position >= len(text):
            return out
        start, position = position, _word_end(text, position, colon=colon and not out)
        out.append(text[start:position])


def _word_end(text: str, position: int, *, colon: bool) -> int:
    while position < len(text):
        character = text[position]
        if character in SPACE:
            return position
        if colon and character == ":":
            return position + 1
        position = _skip(text, position)
    return position


def _skip(text: str, position: int) -> int:
    """The index after the item that begins at `position`: a character, an escaped one, or something enclosed. Angle brackets nest,
    and hold the other kinds; quotes and square brackets hold only escapes."""
    expected: list[str] = []
    while position < len(text):
        character = text[position]
        position += 2 if character == "\\" else 1
        if expected and character == expected[-1]:
            expected.pop()
        elif character in _CLOSER and (not expected or expected[-1] == ">"):
            expected.append(_CLOSER[character])
        if not expected:
            break
    return min(position, len(text))


def path(word: str, *, strict: bool = False) -> str | None:
    """The address that `word` writes, in internal form (empty for the null path `<>`); None where it writes none."""
    if match := _PLAIN_PATH.match(word):
        return match[1]
    if word == "<>":
        return ""
    if strict and not word.startswith("<"):
        return None
    items = _items(word)
    if items is None or (strict and (items[-1][0] in ",;" or any(kind == "comment" for kind, _ in items))):
        return None
    address = _address([item for item in items if item[0] != "comment"])
    if strict and address is not None and address.startswith("@"):
        return None
    return address


_Item = tuple[str, str]


def _items(text: str) -> list[_Item] | None:
    """RFC 822 lexical items as (kind, text): `word`, `literal`, `comment`, or a special character as its own kind."""
    items: list[_Item] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character in " \t\r\n":
            position += 1
        elif character == "(":
            end = _comment_end(text, position)
            items.append(("comment", text[position:end]))
            position = end
        elif character == '"':
            end = _skip(text, position)
            if end - position < 2 or text[end - 1] != '"':
                return None
            items.append(("word", _unescape(text[position + 1 : end - 1])))
            position = end
        elif character == "[":
            end = text.find("]", position)
            stop = text.find(">", position)
            end = end + 1 if end >= 0 else (stop if stop >= 0 else len(text))
            literal = text[position:end].rstrip(SPACE)
            items.append(("literal", literal if literal.endswith("]") else literal + "]"))
            position = end
        elif character in "<>@,;:.":
            items.append((character, character))
            position += 1
        else:
            end = position
            while end < len(text) and text[end] not in ' \t\r\n(<>@,;:".[':
                end += 2 if text[end] == "\\" else 1
            items.append(("word", _unescape(text[position:end])))
            position = end
    return items


def _comment_end(text: str, position: int) -> int:
    """Where the comment that opens there ends: at its bracket, or with the text."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if not depth:
                return position + 1
        position += 1
    return len(text)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.?)", r"\1", text, flags=re.S) if "\\" in text else text


_WORDS: Final = ("word", "literal")
_BEHIND: Final = (",", ";", ">")
"""What may stand behind an address: it says that there are others, or the end of a group."""
_BEFORE: Final = ("word", ".", ":", *_BEHIND)
"""What may stand before an address in angle brackets."""


def _address(items: list[_Item]) -> str | None:
    """The one address among `items`."""
    kinds = [kind for kind, _ in items]
    if "<" in kinds:
        first = kinds.index("<")
        if ">" not in kinds[first:] or kinds.count("<") > kinds.count(">") or any(kind not in _BEFORE for kind in kinds[:first]):
            return None
        last = kinds.index(">", first)
        if any(kind not in _BEHIND for kind in kinds[last:]):
            return None
        items = [item for item in items[first:last] if item[0] != "<"]
    items = _without_ends(items)
    if items and items[0][0] == "@" and (colon := next((i for i, item in enumerate(items) if item[0] == ":"), 0)):
        items = items[colon + 1 :]  # a source route is to be ignored: RFC 5321 §4.1.1.3, appendix C
    joined: list[str] = []
    before = ""
    for kind, text in items:
        if kind in (",", ";") or (kind in _WORDS and before in _WORDS):
            return None
        joined.append(text)
        before = kind
    return "".join(joined)


def _without_ends(items: list[_Item]) -> list[_Item]:
    """Less what only parts addresses, before them all and behind."""
    first, last = 0, len(items)
    while first < last and items[last - 1][0] in _BEHIND:
        last -= 1
    while first < last and items[first][0] in _BEHIND:
        first += 1
    return items[first:last]


def xtext(text: str) -> str | None:
    """Decoded xtext (RFC 3461 §4), None where it is malformed. As in Postfix, small hexadecimal digits count, and `=` and what is
    not ASCII stand for themselves."""
    if "+" not in text:
        return text if _XTEXT.match(text) else None
    if not _XTEXT.match(text):
        return None
    octets = _XTEXT_CODE.sub(lambda m: bytes((int(m[1], 16),)), text.encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "surrogateescape")


def original_recipient(text: str) -> str | None:
    """The value of ORCPT, `type;address` decoded (RFC 3461 §4.2; type `utf-8`: RFC 6533 §3); None where it is malformed."""
    kind, _, address = text.partition(";")
    if len(kind) == len(text) or not _ADDRESS_TYPE.match(kind):
        return None
    decoded = _uxtext(address) if kind.lower() == "utf-8" else xtext(address)
    return None if decoded is None else f"{kind};{decoded}"


def _uxtext(text: str) -> str | None:
    """Decoded utf-8-addr-xtext or utf-8-addr-unitext (RFC 6533 §3); None where an escape stands for no character that it may."""
    out: list[str] = []
    end = 0
    for code in _UXTEXT_CODE.finditer(text):
        point = int(code[1] or "0", 16)
        if not code[2] or point < 0x20 or point == 0x7F or 0xD800 <= point <= 0xDFFF or point > sys.maxunicode:
            return None
        out += text[end : code.start()], chr(point)
        end = code.end()
    return "".join(out) + text[end:]


def is_header(word: str) -> bool:
    """Whether `word` looks like the start of a message header, `Name:` (RFC 5322 §2.2)."""
    return len(word) > 1 and word[-1] == ":" and all("!" <= c <= "~" and c != ":" for c in word[:-1])


def printable(text: str) -> str:
    """`text` with control characters and octets that are not UTF-8 replaced by `?`, fit for a log line."""
    return "".join(c if c.isprintable() else "?" for c in text)
