"""Pattern tables: what matches, what is substituted, and what is said of mistakes; facts recorded from Postfix 3.7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.drive import drive

from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables


def ask(spec: str, key: str) -> tuple[str | None, list[str]]:
    warnings: list[str] = []
    return drive(Tables(warnings.append, strict=True).open(spec).lookup(key)), warnings


# table, key, answer
HOLDS = [
    ("regexp:{{/^(.+)-bounces@(.*)$/ list $1 at ${2} and $(1)}}", "joe-bounces@list.test", "list joe at list.test and joe"),
    ("regexp:{{!/test$/ no test}}", "a@b.com", "no test"),
    ("regexp:{{! /j/ sp}}", "eee", "sp"),
    ("regexp:{{/CASE/ folded}}", "a case", "folded"),
    ("regexp:{{/CaSe/i toggled}}", "a case", None),
    ("regexp:{{/dollar/ cost $$5}}", "dollar", "cost $5"),
    ("regexp:{{%^pct% other}}", "pct", "other"),
    (r"regexp:{{/slash\/here/ sl}}", "slash/here", "sl"),
    ("regexp:{{if /a/} {if !/b/} {/c/ ac} {endif} {/b/ ab} {endif} {/b/ only b}}", "ac", "ac"),
    ("regexp:{{if /a/} {if !/b/} {/c/ ac} {endif} {/b/ ab} {endif} {/b/ only b}}", "ab", "ab"),
    ("regexp:{{if /a/} {if !/b/} {/c/ ac} {endif} {/b/ ab} {endif} {/b/ only b}}", "bc", "only b"),
    ("regexp:{{/^a*?$/ x}}", "aaa", "x"),
    ("regexp:{{/a**/ x}}", "aa", "x"),
    ("regexp:{{/a/!/b/ x}}", "a", "x"),
    ("regexp:{{/a/!/b/ x}}", "ab", None),
    ("regexp:{{/(a)/!/B/i x$1} {/b/ y}}", "ab", "xa"),
    (r"regexp:{{/(a)|(b)/ <$1$2>}}", "b", "<b>"),
    ("regexp:{{/x|xyz/ yes} {/(x|xyz)/ $1}}", "xyz", "yes"),
    ("regexp:{{/(x|xyz)/ $1}}", "xyz", "xyz"),
    ("regexp:{{/^[[:alpha:]]$/ x}}", "\udce9", None),
    ("regexp:{{/a)b/ x}}", "a)b", "x"),
    ("regexp:{{/[]a]/ x}}", "]", "x"),
    (r"regexp:{{/[a\]/ x}}", "\\", "x"),
    ("regexp:{{/^[^[:space:]]+$/ x}}", "a b", None),
    (r"regexp:{{/\<foo\>/ x}}", "a foo b", "x"),
    ("regexp:{{/x$/ x}}", "x\n", None),
    ("regexp:{{/^b/m x}}", "a\nb", "x"),
    (r"regexp:{{/\(a\)b/x x$1}}", "ab", "xa"),
    ("regexp:{{/a(b)/x x}}", "a(b)", "x"),
    ("regexp:{{/*a+/x y}}", "*a+", "y"),
    ("regexp:{{/^.$/ x}}", "é", None),
    ("pcre:{{/(a)(b)?(x)?(c)/ 1=$1 2=$2 3=$3 4=$4}}", "abc", "1=a 2=b 3= 4=c"),
    ("pcre:{{/(a(?i)b|c)d/i x}}", "Cd", "x"),
    ("pcre:{{/(?:(?i)a)B/i x}}", "AB", "x"),
    (r"pcre:{{/(?<n>a)\k<n>/ x}}", "aa", "x"),
    ("pcre:{{/a++ab/ x}}", "aab", None),
    (r"pcre:{{/\Qa.b\E/ x}}", "acb", None),
    ("pcre:{{/a b # c/x x}}", "ab", "x"),
    ("pcre:{{/(a+)/U x$1}}", "aaa", "xa"),
    ("pcre:{{/(a+?)/U x$1}}", "aaa", "xaaa"),
    ("pcre:{{/b/A x}}", "ab", None),
    ("pcre:{{/a$/E x}}", "a\n", None),
    ("pcre:{{/a$/ x}}", "a\n", "x"),
    ("pcre:{{/[[:^digit:]]/ x}}", "5", None),
    (r"pcre:{{/(a)\g{-1}/ x}}", "aa", "x"),
    ("pcre:{{/é(.*)/ $1}}", "éü\udcff", "ü\udcff"),
    ("pcre:{{/./ x}}", "", None),
    ("pcre:{{/^/ x}}", "", "x"),
    (r"pcre:{{/a\Kb/ x}}", "ab", "x"),
    (r"pcre:{{/^(\((?:[^()]|(?1))*\))$/ x}}", "(a(b)c)", "x"),
    (r"pcre:{{/^(\((?:[^()]|(?1))*\))$/ x}}", "(a(bc)", None),
    ("pcre:{{/(?|a(.)|b(..))/ $1}}", "bcd", "cd"),
    (r"pcre:{{/(*UTF)^\p{L}$/ x}}", "é", "x"),
    (r"pcre:{{/^\X$/ x}}", "e", "x"),
    ("pcre:{{/(?<=a|bc)d/ x}}", "bcd", "x"),
    ("pcre:{{/a+(*SKIP)b/ x}}", "aab", "x"),
    ("pcre:{{/a(*COMMIT)b|ac/ x}}", "aac", None),
    (r"pcre:{{/\Gb/ x}}", "ab", None),
    ("pcre:{{/(?<n>a)(?&n)/ x$1}}", "aa", "xa"),
    ("cidr:{{192.168.1.1 one} {192.168.0.0/16 net}}", "192.168.1.1", "one"),
    ("cidr:{{192.168.1.1 one} {192.168.0.0/16 net}}", "192.168.2.1", "net"),
    ("cidr:{{!10.0.0.0/8 not ten}}", "::1", None),
    ("cidr:{{!10.0.0.0/8 not ten}}", "11.0.0.1", "not ten"),
    ("cidr:{{if !10.0.0.0/8} {0.0.0.0/0 y} {endif} {0.0.0.0/0 z}}", "10.0.0.1", "z"),
    ("cidr:{{[2001:db8::]/32 v6}}", "2001:DB8:0:0::1", "v6"),
    ("cidr:{{0.0.0.0/0 x}}", "no address", None),
]


@pytest.mark.parametrize(("spec", "key", "answer"), HOLDS)
def test_first_rule_that_holds(spec: str, key: str, answer: str | None) -> None:
    assert ask(spec, key) == (answer, [])


# rule, what is said of it after `MAP, line 1: `
MISTAKES = [
    ("regexp", "/unclosed( x", 'no closing regexp delimiter "/": skipping this rule'),
    ("regexp", "no delimiter", "ignoring unrecognized request"),
    ("regexp", "/ref/ $1", 'out of range replacement index "1": skipping this rule'),
    ("regexp", "/x/zz flag", 'unknown regexp option "z": skipping this rule'),
    ("regexp", "if /a/", "IF has no matching ENDIF"),
    ("regexp", "endif", "ignoring ENDIF without matching IF"),
    ("regexp", "if", "no regexp: skipping this rule"),
    ("regexp", "!/x/ $1", "$number found in negative match replacement text: skipping this rule"),
    ("regexp", "/a(b/ u", "Unmatched ( or \\("),
    ("regexp", "/*a/ u", "Invalid preceding regular expression"),
    ("regexp", "/[[:foo:]]/ u", "Invalid character class name"),
    ("regexp", "/a{x}/ u", "Invalid content of \\{\\}"),
    ("regexp", "/((a{1,255}){1,255}){1,255}/ u", "Regular expression too big"),
    (r"regexp", r"/(b)\2/ u", "Invalid back reference"),
    ("regexp", "/missing/", "no replacement text: using empty string"),
    ("pcre", "/unclosed", 'no closing regexp delimiter "/": ignoring this rule'),
    ("pcre", "/a(b/ u", "error in regex at offset 3: missing closing parenthesis"),
    ("pcre", "/[a/ u", "error in regex at offset 2: missing terminating ] for character class"),
    (r"pcre", r"/(b)\2/ u", "error in regex at offset 4: reference to non-existent subpattern"),
    ("pcre", f"/(a)/ ${'1' * 5000}", 'out of range replacement index "111111111": skipping this rule'),
    ("pcre", "/(a)/ $2", 'out of range replacement index "2": skipping this rule'),
    ("pcre", "/a/!/b/ x", 'unknown regexp option "!": skipping this rule'),
    ("pcre", "/x/q flag", 'unknown regexp option "q": skipping this rule'),
    ("pcre", "/x/X flag", 'ignoring obsolete regexp option "X"'),
    (
        "cidr",
        "10.0.0.1/8 x",
        'non-null host address bits in "10.0.0.1/8", perhaps you should use "10.0.0.0/8" instead: skipping this rule',
    ),
    ("cidr", "192.168.1.3", "no lookup result: skipping this rule"),
    ("cidr", "1.2.3.4/33 z", 'bad mask length in "1.2.3.4/33": skipping this rule'),
    ("cidr", "::1/ x", 'bad mask value in "::1/": skipping this rule'),
    ("cidr", "1.2.3.04 x", 'bad address pattern: "1.2.3.04": skipping this rule'),
    ("cidr", "endif", "ENDIF without IF: skipping this rule"),
]


@pytest.mark.parametrize(("kind", "rule", "said"), MISTAKES)
def test_a_mistake_is_named_and_skipped(kind: str, rule: str, said: str) -> None:
    name = f"{{{{{rule}}}}}"
    assert ask(f"{kind}:{name}", "none")[1] == [f"{kind} map {name}, line 1: {said}"]


@given(
    st.sampled_from(["regexp", "pcre", "cidr"]),
    st.text(alphabet="ab01.:/!()[]{}*+?|\\^$ifend \t", max_size=30),
    st.text(max_size=5),
)
def test_any_text_loads_or_is_refused(kind: str, text: str, key: str) -> None:
    try:
        ask(f"{kind}:{{{{{text}}}}}", key)
    except LookupFailure:
        pass


@given(st.from_regex(r"[a-z0-9@.\-]{1,12}", fullmatch=True))
def test_a_literal_matches_itself(key: str) -> None:
    escaped = key.replace(".", "\\.")
    for kind in ("regexp", "pcre"):
        assert ask(f"{kind}:{{{{/^{escaped}$/ hit}}}}", key)[0] == "hit"


@given(st.ip_addresses(), st.integers(0, 128))
def test_an_address_is_in_its_network(address: object, length: int) -> None:
    import ipaddress

    network = ipaddress.ip_network(f"{address}/{min(length, 32 if ':' not in str(address) else 128)}", strict=False)
    assert ask(f"cidr:{{{{{network} hit}}}}", str(address))[0] == "hit"
