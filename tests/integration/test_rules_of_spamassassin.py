"""Debian's rule files beside real SpamAssassin: the same rules, scores, patterns and metas, and what the patterns find."""

import json
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gatepost.filter.rules import expressions
from gatepost.filter.rules.literals import halves
from gatepost.filter.rules.perl import translated
from gatepost.filter.rules.reading import DEFAULT, RULES, SITE, read
from gatepost.filter.rules.ruleset import Kind, Pattern, Ruleset
from gatepost.lookup.matching import Subject
from gatepost.lookup.pcre2 import Expression

TOLD_BY = Path(__file__).with_name("spamassassin_rules.pl")

TEXTS = [
    b"",
    b"\n",
    b"Dear Friend, click here to unsubscribe from our 100% FREE offer!!!\n",
    b'From: "A B" <a.b@example.com>\nTo: c@example.org\nSubject: Re: your account\n',
    b"https://www.example.com/wp-content/a.php?email=a@b.c#x",
    "Viagra für Sie: 1.000.000 US$ — schnell, günstig, ohne Rezept. ÄÖÜ àéî".encode(),
    "Ваш аккаунт; ΑΒΓ αβγ; \u200bzero\u200bwidth".encode(),
    "v\xefagra c\xcdalis M\xd3NEY \xc9\xe9".encode("latin-1"),
    bytes(range(256)),
    b"a" * 300 + b" " * 300,
    b"[ ip=192.0.2.1 rdns=dsl-1-2-3-4.example.com helo=localhost by=mx.example.org ident= envfrom= intl=0 id=ABC auth= msa=0 ]",
]

TEMPLATE = re.compile(r"%\\\{(\w+)\\\}")
ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\([^a-z0-9])|\\[a-z]|[\[\](){}?*+^$|]", re.IGNORECASE)


def as_it_stands(compiled: str) -> str:
    """A pattern as Perl tells it, without what SpamAssassin adds for tags and templates, and Perl for comments."""
    return TEMPLATE.sub(r"%{\1}", compiled.replace("(?aa)", "").replace("\n)", ")"))


def subjects(pattern: Pattern) -> Iterator[bytes]:
    """Texts that the pattern may find something in: its own text, in its case and the other one, and what all are tried with."""
    body, _ = halves(pattern.text[:3000] if len(pattern.text) < 3000 else "//")
    own = ESCAPED.sub(lambda found: chr(int(found.group(1), 16)) if found.group(1) else found.group(2) or "", body)
    yield own.encode("latin-1", "replace")
    yield own.swapcase().encode("latin-1", "replace")
    yield from TEXTS


SHORT = (
    *(
        b"",
        b"a",
        b"ab",
        b"ABab",
        b"\xe9\xc9",
        b"a\xe9 b\xc9-_.",
        b"aab\nabA\n",
        b"\n",
        b"\xb5\xdf\xff x",
        b"a b a b",
        b"AAA bbb @#%{}",
    ),
    *(b"\x01\x00\x08\x1b\t", bytes(range(200, 256)), b"abcABC123 \r\n\x0b\x85\xa0", b"ss a=b!,"),
)
ATOMS = r"""
    a b A \xe9 \xC9 \x{e9} \x{3bc} \d \w \W \s \S \b \B . ^ $ \A \z \Z \n \t \h \v \R \N \p{L} \P{Nd} \p{Lu} [a-c] [^a] [^\xe9]
    [\xe0-\xef] [[:alpha:]] [^[:^upper:]] [\w.-] []a] [\d\-x] [a\]b] [\x{100}a] \/ \. \@ @ # - _ \- \" % \101 \012 \cA \e \0 \1 \g1
    \{ (?#x) , = ! \N{U+e9} \o{351} [\b] [A-\xff] \X
""".split()
REPEATED = "* + ? {2} {1,2} {,2} {2,} {1,2}? *? +? ?? *+ ++ ?+".split()
GROUPS = "( (?: (?i: (?-i: (?s: (?m: (?= (?! (?<= (?<! (?> (?<n> (?x: (?i-s: (?| (?n:".split()
NOT_REPEATED = (" ", "(?#", "(?=", "(?!", "(?<=", "(?<!")
PATTERNS = 1_200


def odd_patterns() -> Iterator[str]:
    """Patterns of all that there is, the same each time."""
    chosen = random.Random(46)

    def pattern(depth: int) -> str:
        pieces = []
        for _ in range(chosen.randint(1, 4)):
            if depth > 2 or chosen.random() < 0.7:
                piece = chosen.choice((*ATOMS, "\xe9", "\xdf", " ", "\\ "))
            else:
                piece = f"{chosen.choice(GROUPS)}{pattern(depth + 1)})"
            pieces.append(piece + (chosen.choice(REPEATED) if chosen.random() < 0.2 and not piece.startswith(NOT_REPEATED) else ""))
            pieces.append("|" if chosen.random() < 0.1 else "")
        return "".join(pieces)

    for _ in range(PATTERNS):
        yield f"m\x02{pattern(0)}\x02{''.join(chosen.sample('imsx', chosen.randint(0, 2)))}"


def matched(pattern: Pattern, texts: Sequence[bytes]) -> str:
    """Which texts it matches, a digit each. Raises ValueError."""
    expression = Expression(pattern.octets, pattern.options, captures=False)
    return "".join(str(int(expression.search(Subject(text)) is not None)) for text in texts)


class Beside:
    """What both made of Debian's rules."""

    def __init__(self, folder: Path) -> None:
        site = folder / "site"
        site.mkdir()
        for path in SITE.iterdir():
            if path.suffix in (".pre", ".cf"):
                (site / path.name).write_bytes(path.read_bytes())
        self.ours: Ruleset = read([RULES, site], local=True)
        self.tried = [
            (rule.name, rule.pattern, tuple(subjects(rule.pattern)))
            for rule in self.ours.rules.values()
            if rule.pattern and not rule.pattern.tags and rule.kind is not Kind.MIMEHEADER
        ]
        self.odd = list(odd_patterns())
        asked = [
            *((name, texts) for name, _, texts in self.tried),
            *((f"={odd.encode('latin-1').hex()}", SHORT) for odd in self.odd),
        ]
        lines = "".join("\t".join((name, *(text.hex() for text in texts))) + "\n" for name, texts in asked)
        command = ["perl", str(TOLD_BY), str(RULES), str(site)]
        told = subprocess.run(command, input=lines.encode(), capture_output=True, timeout=120, check=True).stdout
        self.theirs: dict[str, Any] = json.loads(told)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Beside:
    return Beside(tmp_path_factory.mktemp("rules"))


def test_the_same_rules(beside: Beside) -> None:
    """`reuse` gives names to rules that no line defines; they are no rules here."""
    reused = {name for line in beside.ours.option("reuse") for name in line.split()}
    assert beside.ours.faults == ()
    assert beside.theirs["test_types"].keys() - reused <= beside.ours.rules.keys() <= beside.theirs["test_types"].keys()
    assert len(beside.ours.rules) > 2_900


@pytest.mark.parametrize("scores", range(4))
def test_the_same_scores(beside: Beside, scores: int) -> None:
    theirs = beside.theirs["scoreset"][scores]
    ours = {name: rule.scores[scores] for name, rule in beside.ours.rules.items()}
    assert ours == {name: pytest.approx(theirs[name]) for name in ours}


def test_the_same_flags_descriptions_and_headers(beside: Beside) -> None:
    """Which metas are of the network hangs, in SpamAssassin, on the order of Perl's hashes: their `net` may differ."""
    for name, rule in beside.ours.rules.items():
        flags = set((beside.theirs["tflags"].get(name) or "").split())
        assert set(rule.flags) - {"net"} == flags - {"net"}, name
        if rule.kind is not Kind.META:
            assert set(rule.flags) == flags, name
        assert rule.description == beside.theirs["descriptions"].get(name, ""), name
        if rule.kind is Kind.HEADER and not rule.call:
            theirs = beside.theirs
            assert rule.header == theirs["test_opt_header"][name]
            assert rule.exists == bool(theirs["test_opt_exists"].get(name))
            assert rule.negated == bool(theirs["test_opt_neg"].get(name))
            assert rule.unset == (theirs["test_opt_unset"][name].encode() if name in theirs["test_opt_unset"] else None)


def test_the_same_calls(beside: Beside) -> None:
    theirs = {
        name: (call[0], tuple(str(argument) for argument in call[1]))
        for kind in ("head", "body", "rawbody", "full")
        for calls in beside.theirs[f"{kind}_evals"].values()
        for name, call in calls.items()
        if beside.ours.rules[name].call
    }
    theirs |= {name: (call[0], tuple(map(str, call[1]))) for name, call in beside.theirs["rbl_evals"].items()}
    assert {name: (rule.call.function, rule.call.arguments) for name, rule in beside.ours.rules.items() if rule.call} == theirs


def test_the_same_patterns(beside: Beside) -> None:
    """As they stand, tags replaced; and in the same order of priority."""
    ours = {}
    for name, rule in beside.ours.rules.items():
        if rule.pattern and rule.kind is not Kind.MIMEHEADER:
            body, modifiers = halves(rule.pattern.text)
            ours[name] = f"(?^aa:{f'(?{modifiers})' if modifiers else ''}{body})"
    theirs = {name: as_it_stands(text) for name, text in beside.theirs["patterns"].items()}
    assert ours == theirs
    priorities = {name: priority for name, priority in beside.theirs["priorities"].items() if name in ours}
    assert {name: beside.ours.rules[name].priority for name in priorities} == priorities


def test_the_same_metas(beside: Beside) -> None:
    ours = {
        name: set(expressions.names(expressions.decoded(rule.expression)))
        for name, rule in beside.ours.rules.items()
        if rule.kind is Kind.META
    }
    assert ours == {name: set(beside.theirs["meta_dependencies"].get(name, ())) for name in ours}
    assert len(ours) > 900


def test_patterns_find_the_same(beside: Beside) -> None:
    """Each pattern in some texts, by Perl and by PCRE2. That each finds something is seen by how many do."""
    differ, found = [], set()
    for (name, pattern, texts), theirs in zip(beside.tried, beside.theirs["found"], strict=False):
        ours = matched(pattern, texts)
        if "1" in ours:
            found.add(name)
        if ours != theirs:
            differ.append((name, ours, theirs))
    assert differ == []
    assert len(found) > 400


def test_odd_patterns_find_the_same(beside: Beside) -> None:
    """Random ones: those that both take. PCRE2 has no lookbehind of many lengths, and repeats no modifiers."""
    differ, both, refused = [], 0, []
    for odd, theirs in zip(beside.odd, beside.theirs["found"][len(beside.tried) :], strict=True):
        if theirs is None:
            continue
        try:
            ours = matched(translated(odd), SHORT)
        except ValueError as reason:
            refused.append((odd, str(reason)))
            continue
        both += 1
        if ours != theirs:
            differ.append((odd, ours, theirs))
    assert differ == []
    assert [odd for odd, reason in refused if "lookbehind" not in reason] == []
    assert both > 300


def test_what_the_files_themselves_test(beside: Beside) -> None:
    """Their `test RULE ok|fail` lines."""
    rules = beside.ours.rules
    run = [(test, rule, rule.pattern) for test in beside.ours.tests if (rule := rules.get(test.rule)) and rule.pattern]
    assert len(run) > 10
    for test, rule, pattern in run:
        found = Expression(pattern.octets, pattern.options, captures=False).search(Subject(test.text)) is not None
        assert (found is not rule.negated) is test.hits, test


def test_our_own_rules_can_all_be_run(beside: Beside) -> None:
    """By real SpamAssassin, too: it has nothing to say against them, and gives them the same scores."""
    ours = read([DEFAULT])
    assert ours.faults == ()
    assert [rule.name for rule in ours.rules.values() if rule.hindrance] == []
    command = ["perl", str(TOLD_BY), str(DEFAULT), str(DEFAULT)]
    ran = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=True)
    told = json.loads(ran.stdout)
    assert told["test_types"].keys() == ours.rules.keys()
    assert ran.stderr == b""
    for name, rule in ours.rules.items():
        assert rule.scores == tuple(pytest.approx(told["scoreset"][scores][name]) for scores in range(4))
