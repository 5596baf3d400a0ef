"""Patterns of Perl (perlre(1)), as SpamAssassin compiles them (`/aa`, over octets), as patterns of PCRE2 over octets.

Nearly all means the same to both. What does not is rewritten: modifiers of Unicode, code points above 255, the cases of octets
above 127, quantifiers with blanks. What runs code, or that one of them does not know, is refused.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gatepost.filter.rules.brackets import NOTHING, bracketed
from gatepost.filter.rules.literals import Untranslatable, halves
from gatepost.filter.rules.octets import NAMED, numbered, other_case, property_of, within, written
from gatepost.filter.rules.ruleset import Pattern
from gatepost.lookup.pcre2 import CASELESS, DOTALL, EXTENDED, MULTILINE

NO_AUTO_CAPTURE: Final = 0x2000
SAME_NAMES: Final = 0x40
LONGEST: Final = 1 << 18
"""Octets of a pattern."""
DEEPEST: Final = 250
"""Groups within groups, as PCRE2 has it."""
LARGE: Final = 20_000
"""Octets of code to which a pattern may be compiled; in a larger one, groups are written once and called: PCRE2 takes 64 KB."""
CLASS: Final = 33
"""Octets of code of a class."""
MOST_REPEATED: Final = 1_000
SHARED: Final = 100
"""Octets of a group that is worth it."""

_OPTIONS: Final = {"i": CASELESS, "m": MULTILINE, "s": DOTALL, "x": EXTENDED, "n": NO_AUTO_CAPTURE}
_NO_MEANING: Final = frozenset("ap")
"""Modifiers that change nothing here: rules are compiled with /aa."""

_TAG: Final = re.compile(r"%\{([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\([^\s)]*\))?)\}")
_QUANTIFIER: Final = re.compile(r"\{\s*(\d*)\s*(?:(,)\s*(\d*)\s*)?\}")
_FLAGS: Final = re.compile(r"\((\?)(\^?)([a-z]*)(?:-([a-z]*))?([:)])")
_NAME: Final = re.compile(r"\(\?(?:P?<|')([A-Za-z_]\w*)[>']", re.ASCII)
_VERB: Final = re.compile(r"\(\*(?:PRUNE|SKIP|THEN|COMMIT|FAIL|F|ACCEPT|MARK)?(?::[^)]*)?\)")
_ASSERTION: Final = re.compile(r"\(\*(pla|plb|nla|nlb|atomic|positive_look(?:ahead|behind)|negative_look(?:ahead|behind)):")
_CONDITION: Final = re.compile(r"\(\?\((?=[?*])|\(\?\((?:\d+|<\w+>|'\w+'|R\d*|R&\w+|DEFINE)\)")
_CALL: Final = re.compile(r"\(\?(?:R|[+-]?\d+|&\w+|P>\w+)\)")
_BACK: Final = re.compile(r"\(\?P=\w+\)")
_PLAIN: Final = re.compile(r"\(\?(?::|\||>|=|!|<=|<!)")
_REFERENCE: Final = re.compile(r"g(?:-?\d+|\{[-\w]+\})|k(?:\{\w+\}|<\w+>|'\w+')|[1-9]\d*", re.ASCII)
_PROPERTY: Final = re.compile(r"[pP](?:\{[^}]*\}|[A-Z])")
_SIMPLE: Final = frozenset("dDwWsShHvVNBbAzZ")
_ASSERTIONS: Final = frozenset(("^", "$", *(f"\\{letter}" for letter in "bBAzZGK")))
_NOT_PREFILTERED: Final = {"K": "", "G": "", "R": "(?:\\r\\n|[\\n\\x0b\\f\\r\\x85])", "X": None}


class _Flags(Struct, frozen=True):
    """What modifiers hold where the walk stands."""

    caseless: bool = False
    extended: bool = False
    blanks: bool = False

    def changed(self, on: str, off: str) -> "_Flags":
        def value(letter: str, before: bool) -> bool:
            return letter in on or (before and letter not in off)

        extended = value("x", self.extended)
        return _Flags(value("i", self.caseless), extended, "xx" in on or (self.blanks and extended and "x" not in on))


def translated(text: str) -> Pattern:
    """The pattern literal of a rule (`/…/i`, `m{…}x`) for PCRE2. `text`: octets as characters (Latin-1).
    Raises Untranslatable with what it is that cannot be taken over."""
    body, modifiers = halves(text)
    if len(body) > LONGEST:
        raise Untranslatable(f"the pattern is longer than {LONGEST} octets")
    options = 0
    for letter in modifiers:
        if letter not in _OPTIONS and letter not in _NO_MEANING:
            raise Untranslatable(f"the modifier {letter} is not known here")
        options |= _OPTIONS.get(letter, 0)
    flags = _Flags().changed(modifiers, "")
    walk = _Walk(body, flags, autocapture="n" not in modifiers)
    walk.run()
    options |= SAME_NAMES if walk.named > len(walk.captures) else 0
    exact, rough = "".join(walk.exact), "".join(walk.rough)
    if walk.weight > LARGE:
        sharing = _Walk(body, flags, autocapture="n" not in modifiers, sharing=True)
        sharing.run()
        exact = "".join(sharing.exact) + sharing.definitions()
    if options & EXTENDED:
        rough = f"(?x){rough}"
    return Pattern(
        exact.encode("latin-1"),
        options,
        rough.encode("latin-1") if walk.prefiltered and not walk.tags else b"",
        tuple(walk.captures),
        tuple(dict.fromkeys(walk.tags)),
        text,
        tuple(walk.captures.values()),
    )


class _Group(Struct, frozen=True):
    """A group that is open: what held before it, where its text begins, and what had been seen till then. `denied`: where that of
    the prefilter begins, for one that must not match."""

    flags: _Flags
    start: int
    seen: int
    changes: bool
    passed: bool
    denied: int | None
    weight: int


class _Walk:
    """One way through a pattern. `exact` is for PCRE2, `rough` for Hyperscan's prefilter."""

    def __init__(self, text: str, flags: _Flags, *, autocapture: bool = True, sharing: bool = False) -> None:
        self.text = text
        self.at = 0
        self.flags = flags
        self.autocapture = autocapture
        self.sharing = sharing
        self.shared: dict[str, str] = {}
        self.numbered = self.named = 0
        self.seen = 0  # captures, references and verbs: a group with one of them is not shared
        self.weight = 0  # octets of code, roughly: what is repeated is written again and again
        self.last = 0  # of them, those of what stands before a quantifier
        self.passed = False  # whether what a match has passed here is more than where it began
        self.outer: list[_Group] = []
        self.exact: list[str] = []
        self.rough: list[str] = []
        self.prefiltered = True
        self.captures: dict[str, int] = {}
        self.tags: list[str] = []
        self.quantified = False

    def run(self) -> None:
        while self.at < len(self.text):
            character = self.text[self.at]
            step = _STEPS.get(character)
            quantified = self.quantified
            self.quantified = False
            if step is not None:
                step(self, quantified)
            elif self.flags.extended and character == "#":
                self.at = len(self.text) if (end := self.text.find("\n", self.at)) < 0 else end
            else:
                self.put_octet(ord(character))
                self.at += 1
            self.passed = self.passed or character not in "(|^"
        if self.outer:
            raise Untranslatable("a ( without its )")

    def put(self, exact: str, rough: str | None = None) -> None:
        self.last = CLASS if exact.startswith("[") else len(exact)
        self.weight += self.last
        self.exact.append(exact)
        self.rough.append(exact if rough is None else rough)

    def put_octet(self, code: int) -> None:
        """A character that stands for itself."""
        if code < 128:
            self.put(chr(code))
            return
        octet = within(code, self.flags.caseless)
        if octet is None:
            self.put(NOTHING)
            return
        other = other_case(octet) if self.flags.caseless else None
        self.put(written(octet) if other is None else f"[{written(octet)}{written(other)}]")

    def take(self, found: re.Match[str], rough: str | None = None) -> None:
        self.put(found.group(), rough)
        self.at = found.end()

    def escape(self, quantified: bool) -> None:
        text, at = self.text, self.at + 1
        letter = text[at : at + 1]
        if not letter:
            raise Untranslatable("a backslash at the end")
        if letter in "bB" and text.startswith("{", at + 1):
            raise Untranslatable("boundaries of Unicode")
        if letter in _SIMPLE and (not text.startswith("N{", at) or _QUANTIFIER.match(text, at + 1)):
            self.put(f"\\{letter}")
            self.at = at + 1
        elif letter in _NOT_PREFILTERED:
            rough = _NOT_PREFILTERED[letter]
            self.prefiltered = self.prefiltered and rough is not None
            self.put(f"\\{letter}", rough or "")
            self.at = at + 1
        elif found := _REFERENCE.match(text, at) or _PROPERTY.match(text, at):
            self.seen += found.re is _REFERENCE
            self.put(f"\\{property_of(found.group(), caseless=self.flags.caseless)}")
            self.at = found.end()
        else:
            self.character(letter, at)

    def character(self, letter: str, at: int) -> None:
        number = (NAMED[letter], at + 1) if letter in NAMED else numbered(self.text, at)
        if number is not None:
            code, self.at = number
            self.put(written(code)) if code < 128 else self.put_octet(code)
        elif letter.isascii() and letter.isalnum():
            raise Untranslatable(f"\\{letter} means nothing to Perl here")
        else:
            self.put_octet(ord(letter)) if ord(letter) > 127 else self.put(f"\\{letter}")
            self.at = at + 1

    def brackets(self, quantified: bool) -> None:
        written_class, self.at = bracketed(self.text, self.at, caseless=self.flags.caseless, blanks=self.flags.blanks)
        self.put(written_class)

    def opened(self, quantified: bool) -> None:
        text, at = self.text, self.at
        if re.compile(r"\((?:\?\??\{|\*\*?\{)").match(text, at):
            raise Untranslatable("the pattern holds code")
        if text.startswith("(?[", at):
            raise Untranslatable("extended classes of Unicode")
        if text.startswith("(?#", at):
            self.at = text.find(")", at) + 1
            if not self.at:
                raise Untranslatable("a ( without its )")
            return
        if flags := _FLAGS.match(text, at):
            self.modifiers(flags)
        elif (alone := _CALL.match(text, at) or _BACK.match(text, at) or _VERB.match(text, at)) and text[at + 1] in "?*":
            self.prefiltered = self.prefiltered and alone.re is _BACK
            self.seen += 1
            self.take(alone)
        else:
            self.group()

    def modifiers(self, found: re.Match[str]) -> None:
        reset, on, off, end = found.group(2), found.group(3), found.group(4) or "", found.group(5)
        if reset:
            raise Untranslatable("(?^ gives up the rules of ASCII that all else has")
        for letter in on + off:
            if letter not in _OPTIONS and letter not in _NO_MEANING:
                raise Untranslatable(f"the modifier {letter} is not known here")
        inside = self.flags.changed(on, off)
        kept_on, kept_off = ("".join(letter for letter in letters if letter in _OPTIONS) for letters in (on, off))
        words = f"{kept_on}{'-' + kept_off if kept_off else ''}"
        if end == ":":
            self.enter(changes=bool(words))
        elif words:
            self.sharing = False
        self.flags = inside
        self.put(f"(?{words}{end}" if words or end == ":" else "")
        self.prefiltered = self.prefiltered and "n" not in words
        self.at = found.end()

    def group(self) -> None:
        text, at = self.text, self.at
        name, condition = _NAME.match(text, at), _CONDITION.match(text, at)
        if name:
            self.numbered += 1
            self.named += 1
            self.seen += 1
            self.captures.setdefault(name.group(1), self.numbered)
            self.take(name, "(")
        elif condition:
            self.prefiltered = False
            self.seen += 1
            self.take(condition)
            if condition.group().endswith("(?("):
                self.at -= 1  # the condition is an assertion, a group of its own
                self.exact[-1] = self.exact[-1][:-1]
        elif plain := _PLAIN.match(text, at):
            if plain.group() == "(?|":
                self.prefiltered = False
                self.seen += 1
            denied = len(self.rough) if plain.group() in ("(?!", "(?<!") else None
            self.take(plain, "(?:" if plain.group() == "(?>" else None)
            self.enter(start=len(self.exact) - 1, denied=denied)
            return
        elif assertion := _ASSERTION.match(text, at):
            self.prefiltered = False
            self.take(assertion)
        elif text.startswith(("(?", "(*"), at):
            raise Untranslatable(f"{text[at : at + 4]} means nothing to Perl, or is not known here")
        else:
            self.numbered += self.autocapture
            self.seen += 1
            self.put("(")
            self.at = at + 1
        self.enter(start=len(self.exact) - 1)

    def enter(self, *, start: int | None = None, changes: bool = False, denied: int | None = None) -> None:
        inside = changes or (bool(self.outer) and self.outer[-1].changes)
        self.outer.append(
            _Group(self.flags, len(self.exact) if start is None else start, self.seen, inside, self.passed, denied, self.weight)
        )
        if len(self.outer) > DEEPEST:
            raise Untranslatable(f"groups are nested deeper than {DEEPEST}")

    def closed(self, quantified: bool) -> None:
        if not self.outer:
            raise Untranslatable("a ) without its (")
        group = self.outer.pop()
        self.flags = group.flags
        self.put(")")
        self.last = self.weight - group.weight
        self.at += 1
        if group.denied is not None:  # what is loosened within would deny more: the prefilter goes without
            del self.rough[group.denied :]
            self.prefiltered = self.prefiltered and group.seen == self.seen
        if self.sharing and not group.changes and group.seen == self.seen:
            self.share(group.start)

    def share(self, start: int) -> None:
        """A group is written once, at the end, and called where it stands. It has no flags, captures or references of its own, so
        that it means the same there."""
        text = "".join(self.exact[start:])
        if len(text) >= SHARED:
            name = self.shared.setdefault(text, f"shared_{len(self.shared)}")
            self.exact[start:] = [f"(?&{name})"]

    def definitions(self) -> str:
        """What has been shared. It captures nothing that another group has a number of."""
        if not self.shared:
            return ""
        return "(?(DEFINE)" + "".join(f"(?<{name}>{text})" for text, name in self.shared.items()) + ")"

    def alternative(self, quantified: bool) -> None:
        self.passed = self.outer[-1].passed if self.outer else False
        self.put("|")
        self.at += 1

    def start(self, quantified: bool) -> None:
        """Hyperscan knows a start within a pattern only where one begins; without it, it finds more."""
        self.put("^", "" if self.passed else "^")
        self.at += 1

    def star(self, quantified: bool) -> None:
        """`*`, `+`, `?`: after another of them, `+` means possessive and `?` the shortest."""
        character = self.text[self.at]
        self.wrap()
        self.put(character, "" if quantified and character == "+" else None)
        self.at += 1
        self.quantified = not quantified

    def wrap(self) -> None:
        """PCRE2 repeats no assertion, Perl does."""
        if self.exact and self.exact[-1] in _ASSERTIONS:
            self.exact[-1] = f"(?:{self.exact[-1]})"
            self.prefiltered = False

    def braces(self, quantified: bool) -> None:
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None or not (found.group(1) or found.group(3)):
            self.put("\\{")
            self.at += 1
            return
        if quantified:
            raise Untranslatable("a quantifier after another")
        least, comma, most = found.groups()
        self.wrap()
        last = self.last
        self.put(f"{{{least or '0'}{comma or ''}{most or ''}}}")
        self.weight += last * min(int(most or least or 0), MOST_REPEATED)
        self.last = 0
        self.at = found.end()
        self.quantified = True

    def percent(self, quantified: bool) -> None:
        found = _TAG.match(self.text, self.at)
        if found:
            self.tags.append(found.group(1))
            self.take(found)
        else:
            self.put("%")
            self.at += 1


_STEPS: Final[dict[str, Callable[[_Walk, bool], None]]] = {
    "\\": _Walk.escape,
    "[": _Walk.brackets,
    "(": _Walk.opened,
    ")": _Walk.closed,
    "|": _Walk.alternative,
    "^": _Walk.start,
    "*": _Walk.star,
    "+": _Walk.star,
    "?": _Walk.star,
    "{": _Walk.braces,
    "%": _Walk.percent,
}
