"""Addresses as headers write them (RFC 5322 §3.4), taken apart and put together in Postfix's manner.

A header's text becomes a flat list of tokens, in which each address is one ADDRESS token that holds its own. Whoever
rewrites an address replaces the tokens inside; all else stays as it was. The parser is lenient: it works from right
to left, gives missing commas back, and moves a comment that stands before or inside an address behind it.

Texts are `str` with surrogate escapes (see `mail/address.py`).
"""

import enum
import re
from collections.abc import Iterator, Sequence

from gatepost.mail.address import quote_local


class TokenKind(enum.Enum):
    """What a token is. An OPERATOR's text is the one character; a COMMENT's text has its parentheses, as written."""

    ATOM = "atom"
    QUOTED = "quoted string"
    COMMENT = "comment"
    LITERAL = "domain literal"
    OPERATOR = "operator"
    GROUP = "start of a group"
    ADDRESS = "address"


class Token:
    """A token; `parts` are the tokens of an ADDRESS. Texts of quoted strings and literals are unquoted."""

    __slots__ = ("kind", "parts", "text")

    def __init__(self, kind: TokenKind, text: str, parts: "list[Token] | None" = None) -> None:
        self.kind = kind
        self.text = text
        self.parts = parts if parts is not None else []

    def __repr__(self) -> str:
        return f"Token({self.kind.name}, {self.parts or self.text!r})"


_WORDS = frozenset({TokenKind.ATOM, TokenKind.QUOTED, TokenKind.LITERAL})
_SPACED = frozenset({TokenKind.ATOM, TokenKind.QUOTED, TokenKind.LITERAL, TokenKind.COMMENT, TokenKind.ADDRESS})

# RFC 5322 specials, and the routing operators of old: not all the world is RFC 822.
_SCANNER = re.compile(
    r"""[ \t\r\n]++
    | (?P<comment>\()
    | \[(?P<literal>(?:[^\]\\]|\\.)*+(?:\\\Z)?)\]?
    | "(?P<quoted>(?:[^"\\]|\\.)*+(?:\\\Z)?)"?
    | (?P<operator>[|%!)<>@,;:.\]])
    | (?P<atom>(?:[^|%!()<>@,;:\\".\[\] \t\r\n]|\\.)++(?:\\\Z)?)
    | (?P<nothing>\\)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_PART = re.compile(r"\\.|[()]|[^\\()]+|\\", re.DOTALL)
_PAIR = re.compile(r"\\(.?)", re.DOTALL)
_SPACE = str.maketrans("\t\r\n", "   ")
_NOT_ATOM = re.compile(r"[\x00-\x20\x7f|%!()<>@,;:\\\".\[\]]")


def comment_end(text: str, start: int) -> int:
    """Where the comment that opens at `start` ends; comments nest (RFC 5322 §3.2.2). The end of the text where it never does."""
    level = 0
    position = start
    while match := _COMMENT_PART.match(text, position):
        position = match.end()
        level += {"(": 1, ")": -1}.get(match.group(), 0)
        if not level:
            break
    return position


def _unquoted(text: str) -> str:
    return _PAIR.sub(r"\1", text).translate(_SPACE) if "\\" in text else text.translate(_SPACE)


def scan(text: str, limit: int = 0) -> list[Token]:
    """`text` as a flat list of tokens, no more than `limit` of them (0: all)."""
    tokens: list[Token] = []
    position = 0
    while position < len(text) and not (limit and len(tokens) >= limit):
        match = _SCANNER.match(text, position)
        if match is None:  # cannot be: every character has its branch
            raise AssertionError(f"no token at {text[position:]!r}")
        position = match.end()
        name = match.lastgroup
        if name == "atom":
            atom = _unquoted(match["atom"])
            tokens.append(Token(TokenKind.QUOTED if _NOT_ATOM.search(atom) else TokenKind.ATOM, atom))
        elif name == "operator":
            tokens.append(Token(TokenKind.OPERATOR, match["operator"]))
        elif name == "comment":
            position = comment_end(text, match.start())
            tokens.append(Token(TokenKind.COMMENT, text[match.start() : position]))
        elif name == "nothing":
            tokens.append(Token(TokenKind.ATOM, ""))
        elif name is not None:
            tokens.append(Token(TokenKind.QUOTED if name == "quoted" else TokenKind.LITERAL, _unquoted(match[name])))
    return tokens


class _Parser:
    """Finds the addresses in a list of tokens, from right to left. `at` is the token looked at; `found`: what is done, from right
    to left as well; `in_group` says that a `;` was seen, so that each `:` opens a group."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = len(tokens) - 1
        self.found: list[Token] = []
        self.in_group = False

    def run(self) -> list[Token]:
        while self.at >= 0:
            token = self.tokens[self.at]
            if token.kind is TokenKind.OPERATOR and (step := self._STEPS.get(token.text)):
                step(self)
            elif token.kind is TokenKind.COMMENT:
                self.take()
            else:
                self.bare_address()
        return self.found[::-1]

    def take(self) -> None:
        """The token looked at stays as it is."""
        self.found.append(self.tokens[self.at])
        self.at -= 1

    def group_end(self) -> None:
        self.in_group = True
        self.take()

    def colon(self) -> None:
        if not self.in_group:
            self.bare_address()
            return
        self.found.append(Token(TokenKind.GROUP, ":"))
        self.at -= 1
        self.take_phrase(",")

    def route_address(self) -> None:
        """`phrase <address>`; comments inside go behind the address. Without a `<` all before the `>` is one address."""
        self.take()
        close = self.at + 1
        while self.at >= 0 and not _is_operator(self.tokens[self.at], "<"):
            self.at -= 1
        self.group(self.tokens[self.at + 1 : close])
        if self.at >= 0:
            self.take()
        self.take_phrase(",;>:")
        if self.at >= 0 and not self.in_group and _is_operator(self.tokens[self.at], ":"):
            self.take()

    def group(self, inside: list[Token]) -> None:
        """The tokens of an address become one, and comments among them follow it."""
        self.found += [token for token in inside[::-1] if token.kind is TokenKind.COMMENT]
        if address := [token for token in inside if token.kind is not TokenKind.COMMENT]:
            self.found.append(Token(TokenKind.ADDRESS, "", address))

    def take_phrase(self, stops: str) -> None:
        while self.at >= 0 and not _is_operator(self.tokens[self.at], stops):
            self.take()

    def bare_address(self) -> None:
        """Words joined by operators. A word beside a word begins another address, and gets the comma it lacks."""
        end = self.at + 1
        stops = ",;>:" if self.in_group else ",;>"
        following: TokenKind | None = None
        while self.at >= 0:
            token = self.tokens[self.at]
            if token.kind is not TokenKind.COMMENT:
                if _is_operator(token, stops) or (token.kind in _WORDS and following in _WORDS):
                    break
                following = token.kind
            self.at -= 1
        self.group(self.tokens[self.at + 1 : end])
        if self.at >= 0 and not _is_operator(self.tokens[self.at], ",:"):
            self.found.append(Token(TokenKind.OPERATOR, ","))

    _STEPS = {",": take, ";": group_end, ":": colon, ">": route_address}  # noqa: RUF012


def _is_operator(token: Token, among: str) -> bool:
    return token.kind is TokenKind.OPERATOR and token.text in among


def parse(text: str, limit: int = 0) -> list[Token]:
    """The text of an address header as tokens, addresses grouped; only the first `limit` tokens (0: all) are kept."""
    return _Parser(scan(text, limit)).run()


def addresses(tokens: Sequence[Token]) -> Iterator[Token]:
    """The ADDRESS tokens, in order."""
    return (token for token in tokens if token.kind is TokenKind.ADDRESS)


def _space_after(token: Token, following: Token) -> bool:
    if token.kind is TokenKind.GROUP or _is_operator(following, "<"):
        return True
    return token.kind in _SPACED and following.kind in _SPACED


def internal(tokens: Sequence[Token]) -> str:
    """The tokens of an address in internal form: unquoted."""
    out: list[str] = []
    for index, token in enumerate(tokens):
        out.append(f"[{token.text}]" if token.kind is TokenKind.LITERAL else token.text)
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if following is not None and (_is_operator(token, ",") or _space_after(token, following)):
            out.append(" ")
    return "".join(out)


# Where Postfix leaves all up to the first colon as it stands, text of a sender's choice would get into headers out of quotes.
_ROUTE = re.compile(r"@[^\x00-\x20\x7f()<>\[\]:;@\\,\"]*(?:, ?@[^\x00-\x20\x7f()<>\[\]:;@\\,\"]*)*:")


def requoted(address: str) -> str:
    """An internal address with its local part quoted where it must be; unlike `address.external`, an empty one is `""`, and
    a source route (`@a,@b:user@c`, RFC 5321 appendix C) stays one."""
    route = match.group() if address.startswith("@") and (match := _ROUTE.match(address)) else ""
    local, at, domain = address[len(route) :].rpartition("@")
    return route + (f"{quote_local(local)}@{domain}" if at else quote_local(domain))


_QUOTED_SPECIAL = re.compile(r'(["\\\r\n])')
_LITERAL_SPECIAL = re.compile(r"([\\\r\n])")


def _written(token: Token) -> str:
    if token.kind is TokenKind.ADDRESS:
        return requoted(internal(token.parts))
    if token.kind is TokenKind.QUOTED:
        return '"' + _QUOTED_SPECIAL.sub(r"\\\1", token.text) + '"'
    if token.kind is TokenKind.LITERAL:
        return "[" + _LITERAL_SPECIAL.sub(r"\\\1", token.text) + "]"
    return token.text


def external(tokens: Sequence[Token], after_comma: str = " ") -> str:
    """The tokens as a header or an address writes them, `after_comma` (a space or a line feed) behind each comma."""
    out: list[str] = []
    last = len(tokens) - 1
    for index, token in enumerate(tokens):
        out.append(_written(token))
        if _is_operator(token, ","):
            out.append(after_comma)
        elif index < last and _space_after(token, tokens[index + 1]):
            out.append(" ")
    return "".join(out)


def joined(tokens: Sequence[Token]) -> str:
    """The tokens of one address of a header, with nothing between them: as Postfix has it rewritten, and looks for a change."""
    return "".join(", " if _is_operator(token, ",") else _written(token) for token in tokens)


def fold(name: str, tokens: Sequence[Token]) -> str:
    """A rewritten header as Postfix folds it: as many addresses to a line as end before column 70, tabs before the others;
    lines end in LF, none behind the last."""
    lines = f"{name}: {external(tokens, chr(10))}".split("\n")
    folded = [lines[0]]
    for line in lines[1:]:
        if len(folded[-1]) + 1 + len(line) < 70:
            folded[-1] += " " + line
        else:
            folded.append(line)
    return "\n\t".join(folded)
