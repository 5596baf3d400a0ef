"""`pcre:/path`: Perl-compatible regular expressions (pcre_table(5)), run by Python's `re`.

What `re` has under another writing is translated; what it has not (recursion, `\\K`, `\\p{…}`, verbs, branch reset) makes the
table unavailable, with file and line, rather than leave out a rule that real PCRE would obey.
"""

import re

from gatepost.lookup import pcre_escapes
from gatepost.lookup.expression_class import Unmatched, read_bracket
from gatepost.lookup.opening import Opening
from gatepost.lookup.patterns import Dialect, Unsupported, open_patterns
from gatepost.lookup.port import Table

_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})([?+]?)", re.ASCII)
_OPTIONS = re.compile(r"\(\?(\^?[imsxUJn]*(?:-[imsxUJn]*)?)([:)])")
_NAMED = re.compile(r"\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", re.ASCII)
_SAME_NAME = re.compile(r"\(\?P=(\w+)\)", re.ASCII)
_CONDITION = re.compile(r"\(\?\((?:(\d+)|<(\w+)>|'(\w+)'|([A-Za-z_]\w*))\)", re.ASCII)
_LEADING_VERBS = re.compile(r"(?:\(\*(?:UTF8?|UCP|NO_AUTO_POSSESS|NO_START_OPT)\))+")
_PLAIN_GROUPS = ("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>")
_WHITE = " \t\n\r\f\v"


class _Group:
    """One open group: the options it began with, and the `(?i)`-like ones that hold until its end."""

    def __init__(self, extended: bool, ungreedy: bool) -> None:
        self.extended = extended
        self.ungreedy = ungreedy
        self.options: list[str] = []


class _Translation:
    """One pattern on its way; `out` is Python's form so far."""

    def __init__(self, pattern: str, flags: frozenset[str]) -> None:
        self.pattern = pattern
        self.dollar = r"\Z" if "E" in flags and "m" not in flags else "$"
        self.extended = "x" in flags
        self.ungreedy = "U" in flags
        self.out: list[str] = []
        self.captures = 0
        self.stack = [_Group(self.extended, self.ungreedy)]

    def run(self) -> str:
        leading = _LEADING_VERBS.match(self.pattern)
        index = leading.end() if leading else 0
        while index < len(self.pattern):
            index = self._step(index)
        if len(self.stack) > 1:
            raise ValueError(f"error in regex at offset {len(self.pattern)}: missing closing parenthesis")
        return "".join(self.out) + ")" * len(self.stack[0].options)

    def _step(self, index: int) -> int:
        character = self.pattern[index]
        if self.extended and character in _WHITE:
            return index + 1
        if self.extended and character == "#":
            end = self.pattern.find("\n", index)
            return len(self.pattern) if end < 0 else end + 1
        handler = _HANDLERS.get(character)
        if handler:
            return handler(self, index)
        self.out.append(re.escape(character))
        return index + 1

    def _bracket(self, index: int) -> int:
        try:
            text, index = read_bracket(self.pattern, index, escape=pcre_escapes.inside)
        except Unmatched:
            raise ValueError(f"error in regex at offset {len(self.pattern)}: missing terminating ] for character class") from None
        self.out.append(text)
        return index

    def _escape(self, index: int) -> int:
        if self.pattern.startswith("\\Q", index):
            end = self.pattern.find("\\E", index)
            literal = self.pattern[index + 2 :] if end < 0 else self.pattern[index + 2 : end]
            self.out.append(re.escape(literal))
            return len(self.pattern) if end < 0 else end + 2
        text, index = pcre_escapes.outside(self.pattern, index, self.captures)
        self.out.append(text)
        return index

    def _quantify(self, index: int) -> int:
        quantifier = _QUANTIFIER.match(self.pattern, index)
        if not quantifier:
            self.out.append(r"\{")
            return index + 1
        text, mode = quantifier[0], quantifier[1]
        if self.ungreedy and mode != "+":
            text = text[:-1] if mode else text + "?"
        self.out.append(text)
        return quantifier.end()

    def _alternate(self, index: int) -> int:
        # An option set in one branch holds in those after it, too (pcre2pattern(3), Internal option setting).
        options = self.stack[-1].options
        self.out.append(")" * len(options) + "|" + "".join(options))
        return index + 1

    def _close(self, index: int) -> int:
        if len(self.stack) == 1:
            raise ValueError(f"error in regex at offset {index}: unmatched closing parenthesis")
        group = self.stack.pop()
        self.out.append(")" * (len(group.options) + 1))
        self.extended, self.ungreedy = group.extended, group.ungreedy
        return index + 1

    def _copy(self, index: int) -> int:
        character = self.pattern[index]
        self.out.append(self.dollar if character == "$" else character)
        return index + 1

    def _open(self, text: str, end: int) -> int:
        self.stack.append(_Group(self.extended, self.ungreedy))
        self.out.append(text)
        return end

    def _parenthesis(self, index: int) -> int:
        pattern = self.pattern
        if pattern.startswith("(*", index):
            raise Unsupported("verbs such as (*SKIP) are not supported in pcre patterns")
        if not pattern.startswith("(?", index):
            self.captures += 1
            return self._open("(", index + 1)
        for plain in _PLAIN_GROUPS:
            if pattern.startswith(plain, index):
                return self._open(plain, index + len(plain))
        if pattern.startswith("(?#", index):
            end = pattern.find(")", index)
            if end < 0:
                raise ValueError(f"error in regex at offset {len(pattern)}: missing ) after (?# comment")
            return end + 1
        if named := _NAMED.match(pattern, index):
            self.captures += 1
            return self._open(f"(?P<{named[1] or named[2]}>", named.end())
        if same := _SAME_NAME.match(pattern, index):
            self.out.append(f"(?P={same[1]})")
            return same.end()
        if condition := _CONDITION.match(pattern, index):
            return self._open(f"(?({condition[condition.lastindex or 0]})", condition.end())
        if options := _OPTIONS.match(pattern, index):
            return self._set_options(options)
        raise Unsupported(f"the construct at offset {index} is not supported in pcre patterns")

    def _set_options(self, options: re.Match[str]) -> int:
        on, _, off = options[1].partition("-")
        if set("Jn^") & set(on + off):
            raise Unsupported(f"the option setting {options[0]} is not supported in pcre patterns")
        scoped = options[2] == ":"
        kept = "".join(c for c in "ims" if c in on), "".join(c for c in "ims" if c in off)
        text = f"(?{kept[0]}{'-' if kept[1] else ''}{kept[1]}:"
        if scoped:
            self._open(text, 0)
        elif kept[0] or kept[1]:
            self.stack[-1].options.append(text)
            self.out.append(text)
        self.extended = ("x" in on) or (self.extended and "x" not in off)
        self.ungreedy = ("U" in on) or (self.ungreedy and "U" not in off)
        return options.end()


_HANDLERS = {
    "[": _Translation._bracket, "\\": _Translation._escape, "(": _Translation._parenthesis, ")": _Translation._close,
    "|": _Translation._alternate, "*": _Translation._quantify, "+": _Translation._quantify, "?": _Translation._quantify,
    "{": _Translation._quantify, "$": _Translation._copy, "^": _Translation._copy, ".": _Translation._copy,
}  # fmt: skip


def _compile(pattern: str, flags: frozenset[str]) -> re.Pattern[str]:
    text = _Translation(pattern, flags).run()
    options = re.NOFLAG if "i" in flags else re.IGNORECASE
    options |= re.NOFLAG if "s" in flags else re.DOTALL
    options |= re.MULTILINE if "m" in flags else re.NOFLAG
    # Characters here are octets, and PCRE knows \w, \d, \s and case as ASCII has them.
    options |= re.ASCII
    try:
        return re.compile(rf"\A(?:{text})" if "A" in flags else text, options)
    except re.error as error:
        if "look-behind" in str(error):
            raise Unsupported("look-behind of variable width is not supported in pcre patterns") from None
        raise ValueError(f"error in regex: {error}") from None


_DIALECT = Dialect("pcre", "imsxAEUX", _compile, unclosed="ignoring this rule", obsolete="X")


def open_table(opening: Opening) -> Table:
    """Raises Unavailable where the file cannot be read or a pattern cannot be translated."""
    return open_patterns(opening, _DIALECT)
