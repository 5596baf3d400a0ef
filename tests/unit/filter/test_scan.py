"""A message and rules, in and out: which rules hit, and what a rule that breaks costs."""

from pathlib import Path

import pytest

from gatepost.filter import scan
from gatepost.filter.facts import Facts, Request
from gatepost.filter.match import compiled
from gatepost.filter.port import Session
from gatepost.filter.rules import reading
from gatepost.filter.scan import Limits, Scanner

RULES = r"""
loadplugin Mail::SpamAssassin::Plugin::HeaderEval
header LOUD        Subject =~ /\bLOUD\b/
describe LOUD      Loud subject
score LOUD         2.5
header NO_DATE     exists:Nonsense
header __HAS_FROM  exists:From
header UNSET       X-Thing =~ /^UNSET$/ [if-unset: UNSET]
header NOT_QUIET   Subject !~ /quiet/
body WORDS         /buy now/
score WORDS        0.25
body MANY          /buy/
tflags MANY        multiple maxhits=2
score MANY         1.0
rawbody RAW        /<b>/
uri LINK           /example\.com/
full WHOLE         /^From: a\@a\.example\n/m
meta BOTH          (LOUD && WORDS)
score BOTH         3
meta COUNTED       (MANY > 1)
body OFF           /buy/
score OFF          0
header BROKEN      eval:check_for_missing_to_header()
"""
MESSAGE = b"""\
From: a@a.example
Subject: LOUD
Content-Type: text/plain

buy now, buy <b>, and buy. http://www.example.com/

"""


def scanned(
    tmp_path: Path, message: bytes = MESSAGE, rules: str = RULES, limits: Limits = Limits(), request: Request | None = None
) -> Facts:
    (tmp_path / "local.cf").write_text(rules)
    ruleset = reading.read([tmp_path])
    scanner = Scanner(ruleset, compiled.compiled(ruleset), limits)
    facts = scanner.scan(message, request or Request(Session(), explain=True))
    assert Scanner(ruleset, None, limits).scan(message, Request(Session(), explain=True)).hits == facts.hits or not facts.hits
    return facts


def test_rules_of_each_kind_hit(tmp_path: Path) -> None:
    facts = scanned(tmp_path)
    found = {hit.rule: hit for hit in facts.hits}
    assert set(found) - {"LINK", "BROKEN"} == {
        "LOUD", "__HAS_FROM", "UNSET", "NOT_QUIET", "WORDS", "MANY", "RAW", "WHOLE", "BOTH", "COUNTED"
    }  # fmt: skip
    assert found["MANY"].count == 2
    assert (found["LOUD"].description, found["LOUD"].matched) == ("Loud subject", b"LOUD")
    assert found["BOTH"].score == 3
    assert found["__HAS_FROM"].score == 0


def test_lines_of_the_wire_are_those_of_rules(tmp_path: Path) -> None:
    assert scanned(tmp_path, MESSAGE.replace(b"\n", b"\r\n")).hits == scanned(tmp_path).hits


def test_what_a_function_raises_is_no_hit_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> int:
        raise LookupError("no such thing")

    monkeypatch.setattr(scan, "EVALS", {"check_for_missing_to_header": breaks})
    facts = scanned(tmp_path)
    assert facts.faults == ("BROKEN: check_for_missing_to_header: LookupError: no such thing",)
    assert "LOUD" in {hit.rule for hit in facts.hits}


def test_rules_see_no_more_than_the_limit(tmp_path: Path) -> None:
    facts = scanned(tmp_path, limits=Limits(size=60))
    assert [one.what for one in facts.unexamined] == ["body"]
    assert {"LOUD", "WORDS"} & {hit.rule for hit in facts.hits} == {"LOUD"}


def test_a_rule_that_takes_too_long_is_named(tmp_path: Path) -> None:
    facts = scanned(
        tmp_path, b"Subject: x\n\n" + b"a" * 3000 + b"!\n", "body SLOW /(a+)+[bc]/\nbody OTHER /x/\n", Limits(pattern_seconds=0.05)
    )
    assert "SLOW" in {one.name for one in facts.unexamined}


def test_who_does_not_ask_for_spam_gets_none(tmp_path: Path) -> None:
    assert scanned(tmp_path, request=Request(Session(), spam=False)).hits == ()


NAMES = r"""
loadplugin Mail::SpamAssassin::Plugin::DNSEval
loadplugin Mail::SpamAssassin::Plugin::URIDetail
header LISTED      eval:check_rbl('list-lastexternal', 'list.test.')
tflags LISTED      net
score LISTED       0 1.5 0 1.5
header SUB         eval:check_rbl_sub('list-lastexternal', '127.0.0.3')
tflags SUB         net
meta OVER_IT       (LISTED && LOUD)
meta DECIDED       (LOUD || LISTED)
header LOUD        Subject =~ /LOUD/
uri_detail DETAIL  raw =~ /example/ type =~ /^parsed$/
"""
RELAYED = b"Received: from x.test (x.test [8.8.8.8]) by here.test (Postfix) with ESMTP id A1\n" + MESSAGE


def test_rules_that_ask_the_dns_are_pending_with_what_hangs_on_them(tmp_path: Path) -> None:
    facts = scanned(tmp_path, RELAYED, NAMES, Limits(names=10))
    assert [(one.name, one.record) for one in facts.lookups.questions] == [("8.8.8.8.list.test", "A")]
    assert [(one.hit.rule, one.hit.score, bool(one.expression)) for one in facts.pending] == [
        ("LISTED", 1.5, False),
        ("SUB", 1.0, False),
        ("OVER_IT", 1.0, True),
    ]
    assert {"LOUD", "DECIDED"} <= {hit.rule for hit in facts.hits}


def test_conditions_about_a_uri(tmp_path: Path) -> None:
    assert "DETAIL" in {hit.rule for hit in scanned(tmp_path, MESSAGE, NAMES).hits}


def test_where_nothing_may_be_asked_nothing_is_pending(tmp_path: Path) -> None:
    facts = scanned(tmp_path, RELAYED, NAMES)
    assert (facts.lookups.questions, facts.pending) == ((), ())


ALTERNATIVES = b"""\
From: a@a.example
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=bb

--bb
Content-Type: text/plain

%s
--bb
Content-Type: text/html

<p>cheap watches
--bb--
"""
DIFFERENCE = r"""
loadplugin Mail::SpamAssassin::Plugin::BodyEval
body DIFFERENT eval:multipart_alternative_difference('99', '100')
"""


@pytest.mark.parametrize(("text", "expected"), [(b"something else", True), (b"watches, cheap watches", False)])
def test_the_text_of_each_part_is_compared(tmp_path: Path, text: bytes, expected: bool) -> None:
    facts = scanned(tmp_path, ALTERNATIVES % text, DIFFERENCE)
    assert ("DIFFERENT" in {hit.rule for hit in facts.hits}) is expected


TIMES = r"""
loadplugin Mail::SpamAssassin::Plugin::HeaderEval
loadplugin Mail::SpamAssassin::Plugin::MIMEHeader
header H      X-A =~ /q/
tflags H      multiple
score H       1000
body B        /buy/
score B       1.5
mimeheader M  X-A =~ /q/
tflags M      multiple maxhits=2
score M       0.25
header E      eval:check_for_missing_to_header()
tflags E      multiple
score E       10
meta EM       (E > 2)
score EM      100
"""


def test_a_score_counts_at_each_match_of_multiple_but_once_for_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured beside SpamAssassin 4.0.1, with a plugin whose function returns 3."""
    monkeypatch.setattr(scan, "EVALS", {"check_for_missing_to_header": lambda *_: 3})
    facts = scanned(tmp_path, b"X-A: q q q\n" + MESSAGE, TIMES)
    assert facts.score == 3 * 1000 + 1.5 + 2 * 0.25 + 10 + 100


PARTS = b"""\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="x"

--x
Content-Type: text/plain; x="a
\tb"
Content-Description: =?utf-8?q?caf=C3=A9?=

text
--x
Content-Type: text/html

hu
--x--
"""
MIME_HEADERS = r"""
loadplugin Mail::SpamAssassin::Plugin::MIMEHeader
mimeheader MESSAGE    Content-Type =~ /multipart/
mimeheader DECODED    Content-Description =~ /caf\xc3\xa9\n\z/
mimeheader ENCODED    Content-Description =~ /=\?utf/
mimeheader RAW        Content-Description:raw =~ /=\?utf/
mimeheader BLANK      Content-Type =~ /a b/
mimeheader TAB        Content-Type =~ /a\tb/
mimeheader FOLD       Content-Type:raw =~ /a\n\tb/
mimeheader THIRD      Content-Type =~ /html/
tflags THIRD          range=3
mimeheader FIRST_TWO  Content-Type =~ /html/
tflags FIRST_TWO      range=1-2
mimeheader OVER_ALL   Content-Type =~ /plain.*html/s
tflags OVER_ALL       concat
mimeheader IN_ONE     Content-Type =~ /plain.*html/s
"""


def test_headers_of_parts_are_seen_as_by_the_real_one(tmp_path: Path) -> None:
    """Measured beside SpamAssassin 4.0.1."""
    found = {hit.rule for hit in scanned(tmp_path, PARTS, MIME_HEADERS).hits}
    assert found == {"MESSAGE", "DECODED", "RAW", "BLANK", "FOLD", "THIRD", "OVER_ALL"}
