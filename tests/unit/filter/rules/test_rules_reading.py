"""Rule files, line by line: what real SpamAssassin 4.0.1 makes of each of these lines was read off it."""

import pytest
from rule_files import ruleset

from gatepost.filter.rules.ruleset import Call, Kind, Lookup, decoded, encoded


@pytest.mark.parametrize(
    ("line", "kind", "expected"),
    [
        ("header R Subject =~ /foo/i", Kind.HEADER, {"header": "Subject", "negated": False}),
        ("header R Subject=~/a/", Kind.HEADER, {"header": "Subject"}),
        ("header R Subject !~ /foo/", Kind.HEADER, {"header": "Subject", "negated": True}),
        ("header R From:addr =~ m{a}x [if-unset: UN SET]", Kind.HEADER, {"header": "From:addr", "unset": b"UN SET"}),
        ("header R Foo: =~ /a/", Kind.HEADER, {"header": "Foo"}),
        ("header R X-Foo:raw:addr =~ /a/", Kind.HEADER, {"header": "X-Foo:raw:addr"}),
        ("header R exists:X-Foo", Kind.HEADER, {"header": "X-Foo", "exists": True}),
        ("body R /a\\#b/ # a comment", Kind.BODY, {}),
        ("  BODY R /x/", Kind.BODY, {}),
        ("full R eval:check_foo()", Kind.FULL, {"call": Call("check_foo")}),
        ("header R eval:f('a', \"b, c\", 12, 1.5,'')", Kind.HEADER, {"call": Call("f", ("a", "b, c", "12", "1.5", ""))}),
        ("header R eval:check_from_in_whitelist()", Kind.HEADER, {"call": Call("check_from_in_welcomelist")}),
        ("mimeheader R Content-Type:raw !~ /a/", Kind.MIMEHEADER, {"header": "Content-Type:raw", "negated": True}),
        (
            "askdns R _SENDERDOMAIN_.x.org TXT /^v/",
            Kind.ASKDNS,
            {"lookup": Lookup("askdns", "_SENDERDOMAIN_.x.org", "TXT", "/^v/")},
        ),
    ],
)
def test_a_rule(line: str, kind: Kind, expected: dict[str, object]) -> None:
    rules = ruleset(line)
    assert rules.faults == ()
    rule = rules.rules["R"]
    assert rule.kind is kind
    assert rule.source == "/rules/b.cf:1"
    assert {name: getattr(rule, name) for name in expected} == expected
    assert decoded(encoded(rules)) == rules


@pytest.mark.parametrize(
    "line",
    [
        "header 1BAD Subject =~ /a/",
        "header BAD-X Subject =~ /a/",
        "header R To:Cc =~ /a/",
        "header R exists:X-Foo:raw",
        "header R X-Foo =~ /a/[if-unset: x]",
        "header R eval:f(-1, +2)",
        "header R eval:f (1)",
        "rawbody R eval:bar",
        "uri R eval:foo()",
        "body R /a#b/",
        "body R",
        "body R qr/a/",
        "meta R __A and __B",
        "meta R abs(__A)",
        "meta R (__A",
        "meta R __A % 2",
        "meta R __A / __B",
        "uri_detail R colour =~ /a/",
        "urirhssub R zone A",
        "score R 1 2",
        "score R +0.5",
        "score R (1)",
        "priority R many",
        "use_bayes perhaps",
        "required_score high",
        "nosuchsetting 1",
        "loadplugin ../../evil.pm",
        "loadplugin Mail::SpamAssassin::Plugin::NoSuch /tmp/evil.pm",
        "include /etc/passwd",
        "else",
        "endif",
        "if system(1)",
    ],
)
def test_a_bad_line_is_a_fault_and_nothing_else(line: str) -> None:
    rules = ruleset(f"body GOOD /x/\n{line}\n")
    assert [fault.where for fault in rules.faults][:1] == ["/rules/b.cf:2"]
    assert "GOOD" in rules.rules
    assert "R" not in rules.rules


def test_lines_about_a_rule_are_gathered() -> None:
    rule = ruleset(
        """
        describe R first
        score R 1 2 3 4
        score R (0.5)
        body R /a/
        describe R second
        tflags R multiple
        tflags R multiple maxhits=5 nice
        priority R 7
        """
    ).rules["R"]
    assert (rule.description, rule.scores, rule.most, rule.priority) == ("second", (1.5, 2.5, 3.5, 4.5), 5, 7)
    assert rule.flags == ("multiple", "maxhits=5", "nice")
