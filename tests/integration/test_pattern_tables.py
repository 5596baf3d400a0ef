"""regexp and pcre tables beside Debian's Postfix: the same tables, the same keys, the same answers and warnings."""

import asyncio
import itertools
import random
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from gatepost.lookup.registry import Tables

Found = tuple[dict[bytes, bytes], list[str]]
"""Answers by key, and warnings."""

KEYS = [
    *rb"""
        a ab abc aab b B xyz x.y@example.org aaaaaaaa abab 0123 a0b1 (a(b)c) [a] a] \ a\b $1 ^a$ a|b {a} AB-ab_9
    """.split(),
    *(b"Subject: A b C", b" a", b"a ", "é".encode(), "aéb".encode(), b"\xe9", b"a\xffb", b"x" * 300, b"ab" * 400),
]

COMMON = r"""
    a ^a a$ ^$ ^a*$ a|b (a)(b)? (a|ab)(c|bcd)? (a*)(a|b)* [a-c]+ [^a-c] []a] [^]a] [a-] \. \$ a\|b ^(.*)@(.*)$ (x)?(.)
    ((a)|(b))+ (a){2} a{2,3} a{,2}b (ab){2,} [[:alpha:]]+ ^[[:upper:]] [[:space:]]$ [[:punct:]] [[:^alpha:]] [^[:alnum:]]
    \w+ \W \bab\b \s é [é] ^.$ ^..$ (a+)+b a?b?c? () (|a)b a||b (^a)|(b$) a.b \(a x{300} (.)(.)(.)(.)(.)(.)(.)(.)(.)
""".split()

ONLY = {
    "regexp": r"""
        (a)\1 ^(a*)b\1$ (.)(.)\2\1 \<a a\> \`a a\' a** a+* *a +a a{1 a{x} {1} (*a) a)b (a [a [[:foo:]] [[.a.]] [[=a=]]
        [[.hyphen.]-b] [b-a] a{2,1} a{70000} ^*a a|*b (|) \x a\d ((a)*b)* (a|b)*ab x* (a*)* (a*)+ [a\] a^b a$b (^|x)a a($|b)
        \((a)\) (a)|b\1
    """.split(),
    "pcre": r"""
        a\Kb \Ga (?i)A(?-i)b (?<n>a)(?P=n) (a)\g{-1} (?|a(.)|b(.)) ^(\((?:[^()]|(?1))*\))$ (?R)?a a(*SKIP)b a+(*COMMIT)c|b
        (*FAIL)|b (*ACCEPT)a \p{L} (*UTF)\p{L} (*UTF)é (*UTF)^.$ \X \R \h \N (?<=a|bc)d (?<!a)b (?=ab)a (?!ab)a (?>a+)b a++b
        a*?b (a)?(?(1)b|c) \Qa.b\E \x61 \x{e9} \o{141} \d+ a(?#comment)b (?s). (?m)^b [[:^digit:]] [\d\s] \Aab ab\z ab\Z
        (?:a|b){2} a{2,1} a{70000} ( ) [a *a \c (a)\2 (?<n>a)(?<n>b) (?'q'a) \e (?C1)a (?J)(?<n>a)|(?<n>b) \1(a) [b-a]
    """.split(),
}
FLAGS = {"regexp": ["", "i", "m", "x", "im"], "pcre": ["", "i", "m", "s", "x", "A", "E", "U", "X", "ix"]}
PIECES = ["a", "b", "c", "A", ".", "[ab]", "[^a]", "(a)", "(b|a)", "(.*)", "^", "$", "x", "[[:alpha:]]", r"\.", "@"]
REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,3}"]

# Whole tables: (lines)
TABLES = [
    ["if /a/", "if !/b/", "/c/ ac", "endif", "/b/ ab", "endif", "/./ other"],
    ["if !/a/", "/b/ no a", "endif", "endif", "/b/ b"],
    ["/(a)(b)?(c)?/ <$1|$2|${3}>", "/(.)/ $$1=$1"],
    ["!/a/ none", "! ! /b/ twice", "!!!/c/ thrice"],
    ["/a/", "/b/ ", "/c/\tx"],
    ["if /a/ /b/ x", "/b/ y", "if /c/"],
    ["/a/!/b/ without", "/(a)/!/C/i i$1", "/a/ !/b/", "/x/!", "/x/!/y"],
    ["/a/ $0", "/a/ $2", "/a/ ${", "/a/ $", "/a/ $x", "/a/ ${}", "/a/ $()", "/(a)/ $1x", "/(a)/ ${1}x", "!/(x)/ $1"],
    ["|a/b|i one", "\\a\\ two", "eae x", "/a\\/b/ three", '"a" four', "IF/b/", "/b/ in", "ENDIF x", "endifx"],
    ["/(?x) a b # c/ x", "/a b/x y"],
    ["/a/ one", "  two", "# comment", "  three", "", "/b/ four"],
]  # fmt: skip


def _random_patterns(count: int) -> list[str]:
    source = random.Random(8)
    return ["".join(source.choice(PIECES) + source.choice(REPEATS) for _ in range(source.randint(1, 5))) for _ in range(count)]


def _tables(kind: str) -> Iterable[str]:
    for pattern in [*COMMON, *ONLY[kind], *_random_patterns(60)]:
        for flags in FLAGS[kind] if pattern in COMMON[:30] else FLAGS[kind][:2]:
            yield f"/{pattern}/{flags} hit\n"
            groups = min(pattern.replace(r"\(", "").count("("), 9)
            if groups:
                yield f"/{pattern}/{flags} {' '.join(f'{n}=<${{{n}}}>' for n in range(1, groups + 1))}\n"
    patterns = _random_patterns(300)
    for first in range(0, 300, 10):
        yield "".join(f"/^{pattern}/ {number}\n" for number, pattern in enumerate(patterns[first : first + 10]))
    for lines in TABLES:
        yield "\n".join(lines) + "\n"


def _postfix(directory: Path, kind: str, table: Path) -> Found:
    command = ["postmap", "-c", str(directory), "-q", "-", f"{kind}:{table}"]
    asked = subprocess.run(command, input=b"".join(key + b"\n" for key in KEYS), capture_output=True)
    answers = dict(line.rsplit(b"\t", 1) for line in asked.stdout.split(b"\n") if line)
    said = [line.removeprefix("postmap: warning: ") for line in asked.stderr.decode().splitlines()]
    # What postmap says of an answer is not the table's word.
    return {key: value for key, value in answers.items() if value}, [line for line in said if " map " in line or " macro " in line]


def _gatepost(kind: str, table: Path) -> Found:
    warnings: list[str] = []
    # Time flies: what is told once a minute is told each time.
    opened = Tables(warnings.append, strict=True, clock=itertools.count(0, 3600).__next__).open(f"{kind}:{table}")

    async def ask() -> dict[bytes, bytes]:
        found = {}
        for key in KEYS:
            if value := await opened.lookup(key.decode("utf-8", "surrogateescape")):
                found[key] = value.encode("utf-8", "surrogateescape")
        return found

    return asyncio.run(ask()), warnings


@pytest.mark.parametrize("kind", ["regexp", "pcre"])
def test_the_same_answers_and_warnings(kind: str, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("smtputf8_enable = no\n")
    (tmp_path / "master.cf").write_text("")
    table = tmp_path / "table"
    different = []
    for text in _tables(kind):
        table.write_bytes(text.encode())
        theirs, ours = _postfix(tmp_path, kind, table), _gatepost(kind, table)
        if theirs != ours:
            different.append(f"{text}Postfix: {theirs}\nGatepost: {ours}")
    assert not different, "\n\n".join(different)
