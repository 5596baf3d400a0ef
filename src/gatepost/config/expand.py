"""Expansion of `$name`, `${name?{a}:{b}}` and `${{x} == {y} ? {a} : {b}}` in parameter values (postconf(5)).

A reference is read only when it is evaluated: a mistake in the branch not taken is no mistake, as in Postfix.
"""

import re
from collections.abc import Callable, Iterator

from msgspec import Struct

from gatepost.mail.ascii_text import SPACE

Lookup = Callable[[str], str | None]
"""The unexpanded value of a name; None where the name is not defined."""

DEEPEST = 100
"""Nesting beyond this is a value that refers to itself."""

_BARE = re.compile(r"\$(\$|[A-Za-z0-9_]*)")
_NAME = re.compile(r"[A-Za-z0-9_]*")
_LEVEL = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?")
_NUMBER = re.compile("[0-9]+")
_OPERATOR = re.compile(r"(==|!=|<=|>=|<|>)(level)?(?=[\s{]|$)", re.ASCII)
_SIGN = re.compile(r"==|!=|<=|>=|<|>")
_CLOSING = {"{": "}", "(": ")"}
_VERDICT: dict[str, Callable[[int], bool]] = {
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">=": lambda order: order >= 0,
    ">": lambda order: order > 0,
}


class ExpansionError(ValueError):
    """A value whose `$` expressions cannot be evaluated; the text is Postfix's."""


class EndlessExpansion(ExpansionError):
    """A value refers to itself, or to others without end. Nothing is wrong with the text of any of them."""


class _Reference(Struct, frozen=True):
    """What stands inside `${...}`: a test on a name or a relation, and the texts for either result."""

    name: str
    relation: tuple[str, str, str, str] | None = None
    """Left operand, operator, `level` or empty, right operand."""
    chooses: bool = False
    if_true: str = ""
    if_false: str = ""


def expand(text: str, lookup: Lookup) -> str:
    """`text` with every reference replaced, and every one in the values of names: for parameters of main.cf, which refer to each
    other. Undefined names give nothing. Raises ExpansionError."""
    return _expand(text, lookup, 0, in_values=True)


def fill(text: str, lookup: Lookup) -> str:
    """The same for a template that others fill in, with an address or a reply, say: what is put in is never looked into, so that
    nobody but who wrote the template says what is in the result. Raises ExpansionError."""
    return _expand(text, lookup, 0, in_values=False)


def _expand(text: str, lookup: Lookup, depth: int, *, in_values: bool) -> str:
    if "$" not in text:
        return text
    return "".join(
        piece if isinstance(piece, str) else _evaluate(_read(piece.body), lookup, depth, in_values=in_values)
        for piece in _pieces(text)
    )


def references(text: str) -> Iterator[str]:
    """Every name that `text` refers to, in all branches. Raises ExpansionError."""
    if "$" not in text:
        return
    for piece in _pieces(text):
        if isinstance(piece, str):
            continue
        reference = _read(piece.body)
        if reference.relation:
            yield from references(reference.relation[0])
            yield from references(reference.relation[3])
        else:
            yield reference.name
        yield from references(reference.if_true)
        yield from references(reference.if_false)


class _Body(Struct, frozen=True):
    """The inside of one reference, not yet read."""

    body: str


def _pieces(text: str) -> Iterator[str | _Body]:
    """Literal text and references, in order (`$$` is a literal dollar)."""
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        if dollar > at:
            yield text[at:dollar]
        opener = text[dollar + 1 : dollar + 2]
        if opener in _CLOSING:
            end = _matching(text, dollar + 1)
            if end is None:
                raise ExpansionError(f'truncated macro reference: "{text}"')
            body, at = text[dollar + 2 : end], end + 1
        else:
            match = _BARE.match(text, dollar)
            assert match is not None
            body, at = match[1], match.end()
        if body == "$":
            yield "$"
            continue
        if not body:
            raise ExpansionError(f'empty macro name: "{text}"')
        yield _Body(body)
    yield text[at:]


def _matching(text: str, start: int) -> int | None:
    """Where the bracket at `start` is closed."""
    opener = text[start]
    closer = _CLOSING[opener]
    level = 0
    for at in range(start, len(text)):
        if text[at] == opener:
            level += 1
        elif text[at] == closer:
            level -= 1
            if not level:
                return at
    return None


def _read(body: str) -> _Reference:
    rest = body.lstrip(SPACE)
    if rest.startswith("{"):
        relation, rest = _read_relation(rest)
        name = ""
    else:
        match = _NAME.match(rest)
        assert match is not None
        relation, name = None, match[0]
        rest = rest[match.end() :]
        if rest.strip(SPACE) and rest.lstrip(SPACE)[0] not in "?:":
            raise ExpansionError(f'attribute name syntax error at: "...{name}>>>{rest}"')
    rest = rest.lstrip(SPACE)
    if not rest:
        return _Reference(name, relation)
    if_true, if_false = _read_choice(rest)
    return _Reference(name, relation, True, if_true, if_false)


def _read_relation(text: str) -> tuple[tuple[str, str, str, str], str]:
    left, rest = _payload(text)
    match = _OPERATOR.match(rest)
    if match is None:
        sign = _SIGN.match(rest)
        if sign:
            suffix = _NAME.match(rest, sign.end())
            raise ExpansionError(f'bad operator suffix at: "...{sign[0]}>>>{suffix[0] if suffix else ""}"')
        signs = '"==" or "!="" or "<"" or "<="" or ">="" or ">"'
        raise ExpansionError(f'{signs} expected at: "...{left}}}>>>{rest}"')
    after = rest[match.end() :].lstrip(SPACE)
    if not after.startswith("{"):
        raise ExpansionError(f'"{{expression}}" expected at: "...{{{left}}} {match[0]}>>>{after}"')
    right, rest = _payload(after)
    if rest and rest[0] not in "?:":
        raise ExpansionError(f'"?" expected at: "...{right}}}>>>{rest}"')
    return (left, match[1], match[2] or "", right), rest


def _read_choice(text: str) -> tuple[str, str]:
    """The texts after `?` and after `:`. Without braces the first takes all that follows, colons too."""
    if text[0] == ":":
        return "", _read_last(text)
    after = text[1:].lstrip(SPACE)
    if not after.startswith("{"):
        return text[1:], ""
    if_true, rest = _payload(after)
    if not rest:
        return if_true, ""
    if rest[0] != ":":
        raise ExpansionError(f'":" expected at: "...{if_true}}}>>>{rest}"')
    return if_true, _read_last(rest)


def _read_last(text: str) -> str:
    """What stands after the colon at the start of `text`."""
    after = text[1:].lstrip(SPACE)
    if not after.startswith("{"):
        return after
    payload, rest = _payload(after)
    if rest:
        raise ExpansionError(f'unexpected input at: "...{payload}}}>>>{rest}"')
    return payload


def _payload(text: str) -> tuple[str, str]:
    """The stripped inside of the `{...}` at the start of `text`, and what follows it."""
    end = _matching(text, 0)
    if end is None:
        raise ExpansionError(f"missing '}}' in \"{text}\"")
    return text[1:end].strip(SPACE), text[end + 1 :].lstrip(SPACE)


def _evaluate(reference: _Reference, lookup: Lookup, depth: int, *, in_values: bool) -> str:
    if depth > DEEPEST:
        raise EndlessExpansion(f'unreasonable macro call nesting: "{reference.name}"')
    if reference.relation:
        holds, value = _holds(reference.relation, lookup, depth, in_values=in_values), ""
    else:
        value = lookup(reference.name) or ""
        holds = bool(value)
    if reference.chooses:
        return _expand(reference.if_true if holds else reference.if_false, lookup, depth + 1, in_values=in_values)
    if reference.relation:
        return "true" if holds else ""
    return _expand(value, lookup, depth + 1, in_values=True) if in_values else value


def _holds(relation: tuple[str, str, str, str], lookup: Lookup, depth: int, *, in_values: bool) -> bool:
    left, operator, level, right = relation
    first, second = (_expand(operand, lookup, depth + 1, in_values=in_values) for operand in (left, right))
    return _VERDICT[operator](_compare_levels(first, second) if level else _compare(first, second))


def _compare(first: str, second: str) -> int:
    """Order of two operands: by number where both are digits only, else by character."""
    if _NUMBER.fullmatch(first) and _NUMBER.fullmatch(second):
        one, other = first.lstrip("0"), second.lstrip("0")
        first, second = one.rjust(len(other), "0"), other.rjust(len(one), "0")  # numbers of any length, which int() would not read
    return (first > second) - (first < second)


def _compare_levels(first: str, second: str) -> int:
    """Order of two compatibility levels, `major[.minor[.patch]]`."""
    one, other = _level(first), _level(second)
    return (one > other) - (one < other)


def _level(text: str) -> tuple[int, ...]:
    match = _LEVEL.fullmatch(text.strip(SPACE))
    if match is None:
        raise ExpansionError(f'malformed compatibility level syntax: "{text}"')
    return tuple(int(part or 0) for part in match.groups())
